"""The setting MIDDLEWARE, on a real worker."""

from pumice.dev.postgres import Postgres
from pumice.dev.valkey import Valkey
from tests.support.databases import ExternalServer, database
from tests.support.stack import running_stack

AGENTS = "echo=tests.support.agents_chat:Echo,async=tests.support.agents_chat:AsyncStreamer"
REDIS_DATABASE = 7


def test_it_stands_around_the_turns_of_all_agents(
    postgres_server: Postgres | ExternalServer, valkey_server: Valkey | ExternalServer, migrated_template, tmp_path
):
    trace = tmp_path / "trace"
    with database(postgres_server.url("postgres"), migrated_template) as name:
        environ = {
            "DATABASE_URL": postgres_server.url(name),
            "REDIS_URL": valkey_server.url(REDIS_DATABASE),
            "MIDDLEWARE": "tests.support.middleware:traced",
            "TRACE_FILE": str(trace),
        }
        with running_stack(environ, AGENTS) as it:
            it.agent("echo").reply("hello", "s1")
            it.agent("async").reply("hello", "s2")
    expected = [f"{who} chat {what}" for who in ("echo s1", "async s2") for what in ("enters", "leaves")]
    assert trace.read_text().splitlines() == expected
