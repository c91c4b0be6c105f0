import contextlib
import socket
from pathlib import Path

import pytest

from pumice.dev.errors import DevError
from pumice.dev.options import Options
from pumice.dev.ports import any_free, listener


def options(port=None, agents=None, **environ):
    return Options(agents=agents, port=port, data_dir=Path(".pumice"), reload=True, environ=environ)


@pytest.fixture
def taken():
    with listener(0) as holder:
        yield holder.getsockname()[1]


def test_the_front_stays_on_this_machine_unless_told_otherwise():
    assert options().host == "127.0.0.1"
    assert options(HOST="0.0.0.0").host == "0.0.0.0"  # noqa: S104 (compared, not bound)
    assert options(HOST="0.0.0.0").reachable_host == "127.0.0.1"  # noqa: S104


def test_children_import_from_the_working_directory_first(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    environ = options(PYTHONPATH="/theirs", LOG_LEVEL="debug").children_environ(PORT="1234")
    assert environ["PYTHONPATH"] == f"{tmp_path}:/theirs"
    assert (environ["LOG_LEVEL"], environ["PORT"]) == ("debug", "1234")


def test_the_environment_wins_over_dotenv(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("AGENTS=a=a:A\nLOG_LEVEL=debug\n")
    merged = options(LOG_LEVEL="error").with_dotenv()
    assert (merged.declaration, merged.environ["LOG_LEVEL"]) == ("a=a:A", "error")
    assert options(agents="b=b:B").with_dotenv().declaration == "b=b:B"


def test_connections_wait_before_anyone_accepts():
    front, note = options(PORT=str(any_free())).listen()
    with front, socket.create_connection(front.getsockname()) as client:
        client.sendall(b"waiting")
        assert note is None
        assert front.accept()[0].recv(7) == b"waiting"


def test_without_a_port_the_next_free_one_is_taken_and_told(monkeypatch, taken):
    monkeypatch.setattr("pumice.dev.options.DEFAULT_PORT", taken)
    front, note = options().listen()
    with front:
        chosen = front.getsockname()[1]
        assert note == f"port {taken} is taken, using {chosen}"


def test_what_cannot_be_listened_on_is_told_in_a_line(taken):
    for wrong, message in (
        (options(port=taken), f"Port {taken} is taken: stop what listens there, or choose another --port."),
        (options(PORT=str(taken)), f"Port {taken} is taken"),
        (options(PORT="http"), "PORT is 'http': it must be a number from 1 to 65535."),
        (options(PORT="70000"), "PORT is '70000'"),
        (options(HOST="192.0.2.1"), "HOST is '192.0.2.1', which is no address of this machine"),
        (options(HOST="x" * 70), "which is no address of this machine"),
    ):
        with pytest.raises(DevError) as caught, contextlib.ExitStack() as stack:
            stack.enter_context(wrong.listen()[0])
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
