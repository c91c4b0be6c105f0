import pytest
from click.testing import CliRunner

from pumice.cli import main, pumice
from pumice.cli.processes import beat_arguments, worker_arguments
from pumice.settings import Settings

DATABASE = {"DATABASE_URL": "postgres://user@127.0.0.1:1/none"}


def test_the_workers_arguments_follow_the_settings():
    environ = {"WORKER_POOL": "prefork", "WORKER_CONCURRENCY": "3", "WORKER_QUEUES": "hooks,jobs", "LOG_LEVEL": "debug"}
    arguments = worker_arguments(Settings.from_env({**DATABASE, **environ}))
    assert {"--pool=prefork", "--concurrency=3", "--queues=hooks,jobs", "--loglevel=debug"} <= set(arguments)


@pytest.mark.parametrize(
    ("taken", "read"),
    [("chat,hooks,jobs,outgoing", "chat,hooks,jobs"), ("outgoing", "outgoing"), ("outgoing,chat", "chat")],
)
def test_celery_reads_nothing_for_outgoing_events(taken, read):
    arguments = worker_arguments(Settings.from_env({**DATABASE, "WORKER_QUEUES": taken}))
    assert f"--queues={read}" in arguments


def test_beat_runs_our_scheduler():
    assert "pumice_workers.beat:TickScheduler" in beat_arguments(Settings.from_env(DATABASE))


def test_every_command_explains_itself():
    for name in pumice.commands:
        result = CliRunner().invoke(pumice, [name, "--help"])
        assert result.exit_code == 0
        assert result.output.startswith("Usage: ")


def test_check_explains_every_wrong_setting(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://x")
    monkeypatch.setenv("PORT", "http")
    result = CliRunner().invoke(pumice, ["check"])
    assert result.exit_code == 1
    assert "wrong DATABASE_URL: must look like postgresql://" in result.output
    assert "wrong PORT: " in result.output


def test_a_wrong_setting_is_told_without_a_traceback(monkeypatch, capsys):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr("sys.argv", ["pumice", "web"])
    with pytest.raises(SystemExit, match="1"):
        main()
    assert "DATABASE_URL is not set" in capsys.readouterr().err
