from pathlib import Path

from pumice.dev.options import Options


def options(**environ):
    return Options(agents=None, port=None, data_dir=Path(".pumice"), reload=True, environ=environ)


def test_the_front_stays_on_this_machine_unless_told_otherwise():
    assert options().host == "127.0.0.1"
    assert options(HOST="0.0.0.0").host == "0.0.0.0"  # noqa: S104 (compared, not bound)
    assert options(HOST="0.0.0.0").reachable_host == "127.0.0.1"  # noqa: S104


def test_children_import_from_the_working_directory_first(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    environ = options(PYTHONPATH="/theirs", LOG_LEVEL="debug").children_environ(PORT="1234")
    assert environ["PYTHONPATH"] == f"{tmp_path}:/theirs"
    assert (environ["LOG_LEVEL"], environ["PORT"]) == ("debug", "1234")
