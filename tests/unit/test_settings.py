"""Settings from the environment: read once, checked, frozen."""

import pytest
from pydantic import ValidationError

from pumice.errors import SettingsError
from pumice.settings import Settings, misspelled, without_password

NEEDED = {"DATABASE_URL": "postgresql://user@host/db"}


def made(**environ: str) -> Settings:
    return Settings.from_env({**NEEDED, **environ})


def refused(**environ: str) -> dict[str, str]:
    """The variables that are refused, with what is said of each."""
    with pytest.raises(SettingsError) as caught:
        made(**environ)
    assert all(variable in str(caught.value) for variable, _ in caught.value.problems)
    return dict(caught.value.problems)


def test_the_database_is_all_that_is_needed():
    settings = made()
    assert settings.redis_url == settings.broker == "redis://127.0.0.1:6379/0"
    assert (settings.port, settings.reply_timeout, settings.body_limit) == (8000, 25, 10_000_000)


def test_what_is_missing_is_named():
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({})
    assert caught.value.problems == [("DATABASE_URL", "is not set")]


def test_an_empty_variable_counts_as_not_set():
    assert made(PORT="", REDIS_URL="").port == 8000


def test_every_wrong_variable_is_named():
    problems = refused(DATABASE_URL="mysql://x", PORT="http", WEB_CONCURRENCY="0", WORKER_POOL="gevent")
    assert set(problems) == {"DATABASE_URL", "PORT", "WEB_CONCURRENCY", "WORKER_POOL"}
    assert problems["DATABASE_URL"].startswith("must look like postgresql://")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_form_of_the_database_url(scheme):
    assert made(DATABASE_URL=f"{scheme}://u:p%40ss@h:5/d?sslmode=require").database_url == (
        "postgresql://u:p%40ss@h:5/d?sslmode=require"
    )


@pytest.mark.parametrize("url", ["host:5432/db", "postgres:/x", "sqlite://x", "://x"])
def test_what_is_no_database_url(url):
    assert set(refused(DATABASE_URL=url)) == {"DATABASE_URL"}


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("redis://h:1/2", "redis://h:1/2"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("rediss://:p@h:1", "rediss://:p@h:1?ssl_cert_reqs=none"),
        ("rediss://h/0?x=1", "rediss://h/0?x=1&ssl_cert_reqs=none"),
        ("rediss://h/0?ssl_cert_reqs=required", "rediss://h/0?ssl_cert_reqs=required"),
    ],
)
def test_a_self_signed_certificate_is_taken_unless_said_otherwise(given, taken):
    assert made(REDIS_URL=given).redis_url == taken


@pytest.mark.parametrize("url", ["h:6379", "http://h"])
def test_what_is_no_redis_url(url):
    assert set(refused(REDIS_URL=url)) == {"REDIS_URL"}


def test_the_broker_is_redis_unless_another_is_named():
    assert made(REDIS_URL="redis://a").broker == "redis://a"
    assert made(REDIS_URL="redis://a", BROKER_URL="amqp://b").broker == "amqp://b"
    assert made(BROKER_URL="rediss://b").broker == "rediss://b?ssl_cert_reqs=none"


@pytest.mark.parametrize("queues", ["chat", "hooks,jobs", "chat,hooks,jobs", "outgoing", "jobs,outgoing"])
def test_a_workers_queues(queues):
    assert made(WORKER_QUEUES=queues).worker_queues == queues


@pytest.mark.parametrize("queues", ["chats", "chat,", "chat;jobs", "chat, jobs"])
def test_queues_that_are_not_there(queues):
    assert "is not one of chat, hooks, jobs, outgoing" in refused(WORKER_QUEUES=queues)["WORKER_QUEUES"]


@pytest.mark.parametrize("networks", ["", "127.0.0.1", "10.0.0.0/8, fd00::/8", "10.1.2.3/8"])
def test_networks_that_outgoing_events_may_go_to(networks):
    assert made(OUTGOING_PRIVATE=networks).outgoing_private == networks


@pytest.mark.parametrize("networks", ["localhost", "10.0.0.0/33", "10.0.0.0-10.0.0.9"])
def test_networks_that_are_none(networks):
    assert "network" in refused(OUTGOING_PRIVATE=networks)["OUTGOING_PRIVATE"]


@pytest.mark.parametrize("value", ["true", "1", "yes"])
def test_switches(value):
    assert made(DATABASE_POOLED=value).database_pooled
    assert not made().database_pooled


def test_other_variables_do_not_matter():
    assert made(HOME="/root", PATH="/bin", REPLY_TIMEOUT="0.5").reply_timeout == 0.5


@pytest.mark.parametrize("value", ["inf", "nan", "-1", "1e12", "soon"])
def test_times_are_times(value):
    times = ("TEMPORARY_TTL", "DEDUPE_WINDOW", "RETENTION_DAYS", "JOB_CATCH_UP", "EVENT_TTL")
    assert set(refused(**dict.fromkeys(times, value))) == set(times)


def test_settings_do_not_change():
    with pytest.raises(ValidationError):
        made().port = 1


def test_every_setting_is_described():
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize("level", ["INFO", "Info", "info"])
def test_a_log_level_in_any_case(level):
    assert made(LOG_LEVEL=level).log_level == "info"


def test_what_is_valid_is_read_although_the_rest_is_not():
    settings, problems = Settings.as_far_as_valid({"PORT": "x", "REDIS_URL": "redis://h"})
    assert (settings.port, settings.redis_url) == (8000, "redis://h")
    assert {name for name, _ in problems} == {"DATABASE_URL", "PORT"}
    assert Settings.as_far_as_valid(NEEDED) == (made(), [])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DATABSE_URL", "DATABASE_URL"),
        ("AGENT", "AGENTS"),
        ("REDIS_URl", "REDIS_URL"),
        ("PUMICE_AGENTS", "AGENTS"),
        ("PUMICE_PORT", "PORT"),
        ("PUMICE_WORKER_CONCURENCY", "WORKER_CONCURRENCY"),
        ("WORKER_CONCURENCY", "WORKER_CONCURRENCY"),
        ("DATABASEURL", "DATABASE_URL"),
        ("LOGLEVEL", "LOG_LEVEL"),
    ],
)
def test_a_variable_that_is_nearly_a_setting(name, meant):
    assert misspelled({name: "x"}) == [(name, f"is no setting: did you mean {meant}?")]
    assert misspelled({name: "x", meant: "y"}) == []


@pytest.mark.parametrize(
    "name",
    [
        *("HOME", "PATH", "HOSTNAME", "USER", "PWD", "SHLVL", "PORTS", "POST", "LANG", "LC_ALL", "TERM"),
        *("REDIS_TLS_URL", "TEST_DATABASE_URL", "SQLALCHEMY_DATABASE_URI", "SSH_AGENT_PID", "CELERY_BROKER_URL"),
        *("WEB_MEMORY", "PUMICE_URL", "PUMICE_API_KEY", "PUMICE_PYTHON", "PUMICE_DEV", "PYTHONPATH", "QUEUE"),
    ],
)
def test_other_programs_variables_are_no_misspellings(name):
    assert misspelled({name: "x"}) == []


def test_what_kubernetes_sets_for_a_service_is_no_misspelling():
    assert misspelled({"PUMICE_PORT": "tcp://10.0.0.1:80", "PUMICE_SERVICE_HOST": "10.0.0.1"}) == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h:5/d", "postgresql://u:***@h:5/d"),
        ("redis://:p/a@h", "redis://:***@h"),
        ("amqp://u:p@p@h//", "amqp://u:***@h//"),
        ("postgresql://h/d?password=p&sslmode=require", "postgresql://h/d?password=***&sslmode=require"),
        ("redis://h:1/0", "redis://h:1/0"),
    ],
)
def test_passwords_are_not_shown(url, shown):
    assert without_password(url) == shown


def test_keys_are_not_shown():
    assert made(SESSION_TOKEN_SECRET="s" * 40).shown("session_token_secret") == "***"
    assert made(DATABASE_URL="postgres://u:p@h/d").shown("database_url") == "postgresql://u:***@h/d"
    assert made().shown("database_pooled") == "false"
