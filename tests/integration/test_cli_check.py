"""`pumice check` on servers as they are met: poolers, other brokers, passwords that must not be shown."""

import os
from urllib.parse import urlsplit

import psycopg
import pytest

from pumice.sessions.schema import look_at
from tests.support.commands import Commands
from tests.support.pgbouncer import PROGRAM, pgbouncer

MODES = [("transaction", 1), ("transaction", 5), ("statement", 5), ("session", 5)]


@pytest.fixture
def commands(tmp_path, database_url, redis_url):
    (tmp_path / "good.py").write_text("from pumice import Agent\n\n\nclass Desk(Agent): ...\n")
    return Commands(tmp_path, DATABASE_URL=database_url, REDIS_URL=redis_url, AGENTS="desk=good:Desk")


def test_all_is_well(commands):
    done = commands.call("check", LOG_LEVEL="INFO")
    assert done.exit_code == 0
    assert all(line.startswith("ok ") for line in done.output.splitlines())
    found = commands.json("check", LOG_LEVEL="Warning")
    assert found["ok"]
    names = ["settings", "AGENTS", "DATABASE_URL", "schema", "REDIS_URL", "BROKER_URL"]
    assert [one["name"] for one in found["checks"]] == names


@pytest.mark.parametrize("name", ["WORKER_CONCURENCY", "PUMICE_LOG_LEVEL", "REDIS_URl", "LEASE_SECOND"])
def test_a_misspelled_variable_is_named(commands, name):
    done = commands.call("check", REDIS_URL="" if name == "REDIS_URl" else commands.environ["REDIS_URL"], **{name: "3"})
    assert done.exit_code == 1
    assert f"wrong {name}: is no setting: did you mean " in done.output


def test_servers_that_are_away_are_all_named_and_no_password_is_shown(commands):
    away = {
        "DATABASE_URL": "postgresql://u:hidden@127.0.0.1:1/x",
        "REDIS_URL": "redis://:hidden@127.0.0.1:1/0",
        "BROKER_URL": "amqp://u:hidden@127.0.0.1:1//",
    }
    done = commands.call("check", PORT="x", **away)
    wrong = [line.split()[1] for line in done.output.splitlines() if line.startswith("wrong")]
    assert (done.exit_code, wrong) == (1, ["PORT:", *(f"{name}:" for name in away)])
    assert "hidden" not in done.output


@pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed: apt-get install pgbouncer")
@pytest.mark.parametrize(("mode", "size"), MODES)
def test_a_pooler_that_shares_connections_is_named(commands, open_folder, mode, size):
    shares = mode != "session"
    with pgbouncer(open_folder, commands.environ["DATABASE_URL"], mode=mode, size=size) as url:
        done = commands.call("check", DATABASE_URL=url)
        assert ("wrong DATABASE_POOLED: Postgres is behind PgBouncer" in done.output) == shares
        assert done.exit_code == shares
        assert commands.call("check", DATABASE_URL=url, DATABASE_POOLED="true").exit_code == 0
        if shares:
            beat = commands.run("beat", DATABASE_URL=url)
            assert (beat.returncode, len(beat.stderr.splitlines())) == (1, 1)
            assert "set DATABASE_POOLED=true" in beat.stderr


@pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed: apt-get install pgbouncer")
def test_a_pooler_is_recognised_while_others_use_it(commands, open_folder):
    with pgbouncer(open_folder, commands.environ["DATABASE_URL"], mode="transaction", size=3) as url:
        others = [psycopg.connect(url, autocommit=True) for _ in range(2)]
        with others[0].transaction(), others[1].transaction():
            for other in others:
                other.execute("select 1")
            assert look_at(url).shared
        for other in others:
            other.close()
    assert not look_at(commands.environ["DATABASE_URL"]).shared


@pytest.mark.skipif("TEST_AMQP_URL" not in os.environ, reason="TEST_AMQP_URL names no RabbitMQ to connect to")
def test_any_broker_that_works_is_well(commands):
    url = os.environ.get("TEST_AMQP_URL", "")
    done = commands.call("check", BROKER_URL=url)
    assert (done.exit_code, "ok    BROKER_URL: the broker answers (amqp)" in done.output) == (0, True)
    refused = commands.call("check", BROKER_URL=urlsplit(url)._replace(path="/no-such-host").geturl())
    assert refused.exit_code == 1
    assert "wrong BROKER_URL: " in refused.output


HOOKS = """from pumice import Agent, hook
from pumice.sources import asana, hmac, meta, postmark, slack


class Desk(Agent):
    @hook("slack", source=slack("SLACK_SECRET"))
    def slack(self, request): ...

    @hook("mail", source=postmark("POSTMARK_LOGIN"))
    def mail(self, request): ...

    @hook("meta", source=meta("META_SECRET", verify_token="META_TOKEN"))
    def meta(self, request): ...

    @hook("keyed", source=hmac("KEYED_SECRET", header="X-Signature", key="base64"))
    def keyed(self, request): ...

    @hook("asana", source=asana("ASANA_SECRET"))
    def asana(self, request): ...
"""


def test_secrets_that_are_missing_or_cant_be_right_are_named_and_not_shown(commands, tmp_path):
    (tmp_path / "hooked.py").write_text(HOOKS)
    given = {"AGENTS": "desk=hooked:Desk", "POSTMARK_LOGIN": "no-colon", "META_SECRET": "m", "KEYED_SECRET": "hidden!"}
    done = commands.call("check", **given)
    assert done.exit_code == 1
    wrong = [line for line in done.output.splitlines() if line.startswith("wrong")]
    assert sorted(wrong) == [
        "wrong KEYED_SECRET: holds no secret of this sender: it is not base64: desk/keyed answers 503",
        "wrong META_TOKEN: is missing or empty: desk/meta answers 503",
        "wrong POSTMARK_LOGIN: holds no secret of this sender: it must look like user:password: desk/mail answers 503",
        "wrong SLACK_SECRET: is missing or empty: desk/slack answers 503",
    ]
    given |= {"SLACK_SECRET": "s", "POSTMARK_LOGIN": "u:p", "META_TOKEN": "t", "KEYED_SECRET": "aGlkZGVu"}
    done = commands.call("check", **given)
    assert (done.exit_code, "ok    secrets: 5 hooks have the secrets of their senders" in done.output) == (0, True)
