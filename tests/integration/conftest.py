"""The stack that integration tests share: one front and one worker for all of them."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pumice.dev.postgres import Postgres
from pumice.dev.valkey import Valkey
from pumice.sessions.connections import StoreConnection
from pumice.settings import Settings
from tests.support.client import AgentClient
from tests.support.databases import ExternalServer, database
from tests.support.fleet_steps import Fleet, Shop
from tests.support.job_desk import JobDesk
from tests.support.outgoing import AGENTS as OUTGOING_AGENTS
from tests.support.outgoing import NO_SENDING, ONLY_SENDING
from tests.support.outgoing import REDIS_DATABASE as OUTGOING_DATABASE
from tests.support.protocol import Protocol
from tests.support.receiver import Receiver, receiving
from tests.support.replays import Replays
from tests.support.senders import AGENTS as SENDERS_AGENTS
from tests.support.senders import REDIS_DATABASE as SENDERS_DATABASE
from tests.support.senders import environment, new_keys
from tests.support.servers import Outage, outage_stack
from tests.support.stack import Process, Stack, running_stack

SERVED = {
    "echo": "agents_chat:Echo",
    "streamer": "agents_chat:Streamer",
    "async-streamer": "agents_chat:AsyncStreamer",
    "faulty": "agents_chat:Faulty",
    "slow": "agents_chat:Slow",
    "async-slow": "agents_chat:AsyncSlow",
    "mute": "agents_chat:Mute",
    "selected": "agents_hooks:Selected",
    "receiver": "agents_hooks:Receiver",
    "caller": "agents_calls:Caller",
    "ticker": "agents_calls:Ticker",
    "other": "agents_chat:Echo",
    "any": "agents_openapi:Anything",
    "clinic": "agents_export:Clinic",
    "notebook": "agents_history:Notebook",
    "reminders": "agents_reminders:Reminders",
    "planner": "agents_schedules:Planner",
}
AGENTS = ",".join(f"{name}=tests.support.{where}" for name, where in SERVED.items())
REDIS_DATABASE = 1
"""The stack's own, because the fixture `redis_url` empties number 0 for every test."""


@pytest.fixture(scope="session")
def ticks_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the agent `ticker` notes the runs of its static job."""
    return tmp_path_factory.mktemp("ticker") / "ticks"


@pytest.fixture(scope="session")
def stack(
    postgres_server: Postgres | ExternalServer,
    valkey_server: Valkey | ExternalServer,
    migrated_template: str,
    ticks_file: Path,
) -> Iterator[Stack]:
    with database(postgres_server.url("postgres"), migrated_template) as name:
        environ = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(REDIS_DATABASE)}
        environ["TICKS_FILE"] = str(ticks_file)
        with running_stack(environ, AGENTS) as running:
            yield running


@pytest.fixture(scope="session")
def echo(stack: Stack) -> AgentClient:
    return stack.agent("echo")


@pytest.fixture(scope="session")
def planner(stack: Stack) -> AgentClient:
    return stack.agent("planner")


@pytest.fixture(scope="session")
def receiver(stack: Stack) -> AgentClient:
    return stack.agent("receiver")


@pytest.fixture(scope="session")
def outage() -> Iterator[Outage]:
    """A stack whose servers can be turned off. Tests turn them on again."""
    names = ("echo", "faulty", "selected", "caller", "async-streamer")
    with outage_stack(",".join(f"{name}=tests.support.{SERVED[name]}" for name in names)) as running:
        yield running


@pytest.fixture(scope="session")
def sender_keys() -> dict[str, Any]:
    """Each sender's secrets: the new one, and the one that is being rotated out."""
    return new_keys()


@pytest.fixture(scope="session")
def senders(
    postgres_server: Postgres | ExternalServer,
    valkey_server: Valkey | ExternalServer,
    migrated_template: str,
    sender_keys: dict[str, Any],
) -> Iterator[Stack]:
    """A stack with a hook for every sender."""
    with database(postgres_server.url("postgres"), migrated_template) as name:
        environ = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(SENDERS_DATABASE)}
        with running_stack(environ | environment(sender_keys), SENDERS_AGENTS) as running:
            yield running


@pytest.fixture(scope="session")
def outgoing_stack(
    postgres_server: Postgres | ExternalServer, valkey_server: Valkey | ExternalServer, migrated_template: str
) -> Iterator[Stack]:
    """A front and a worker that sends no outgoing events: tests start those that do, and end them."""
    with database(postgres_server.url("postgres"), migrated_template) as name:
        servers = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(OUTGOING_DATABASE)}
        servers["OUTGOING_PRIVATE"] = "127.0.0.0/8"
        with running_stack(servers | NO_SENDING, OUTGOING_AGENTS) as running:
            yield running


@pytest.fixture
def outgoing(outgoing_stack: Stack) -> Stack:
    """The same, without endpoints and events."""
    outgoing_stack.query("delete from outgoing_events")
    outgoing_stack.query("delete from outgoing_endpoints")
    return outgoing_stack


@pytest.fixture(scope="module")
def sender(outgoing_stack: Stack) -> Iterator[Process]:
    """A worker of it that only sends, for the tests of one file."""
    with outgoing_stack.worker(**ONLY_SENDING) as process:
        yield process


@pytest.fixture
def shop(outgoing_stack: Stack) -> AgentClient:
    """The agent that emits."""
    return outgoing_stack.agent("shop")


@pytest.fixture
def store(outgoing_stack: Stack) -> Iterator[StoreConnection]:
    """A connection to its database."""
    with closing(StoreConnection(Settings.from_env({"DATABASE_URL": outgoing_stack.database_url}))) as connection:
        yield connection


@pytest.fixture
def elsewhere() -> Iterator[Receiver]:
    """A system elsewhere that gets its events."""
    with receiving() as running:
        yield running


@pytest.fixture(scope="session")
def protocol_database(postgres_server: Postgres | ExternalServer, migrated_template: str) -> Iterator[str]:
    """One database for all tests of the protocol: emptying it is quicker than making another."""
    with database(postgres_server.url("postgres"), migrated_template) as name:
        yield postgres_server.url(name)


@pytest.fixture
def protocol(protocol_database: str) -> Iterator[Protocol]:
    """The protocol's steps on an empty database."""
    steps = Protocol(Settings.from_env({"DATABASE_URL": protocol_database}))
    steps.empty()
    yield steps
    steps.end()


@pytest.fixture
def rival(protocol: Protocol) -> Iterator[Protocol]:
    """Another process on the same database."""
    steps = Protocol(protocol.settings)
    yield steps
    steps.end()


@pytest.fixture
def played(protocol: Protocol) -> Replays:
    """Recording and replaying, on an empty database."""
    return Replays(protocol)


@pytest.fixture
def fleet(protocol: Protocol) -> Iterator[Fleet]:
    """An operator of operations on the protocol's database."""
    protocol.query("truncate operations")
    made = Fleet(protocol)
    yield made
    Shop.returns.set()
    made.end()
    protocol.query("truncate operations")


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Have `migrate_state` call a function."""
    return lambda function: monkeypatch.setattr(Shop, "looks", staticmethod(function))


@pytest.fixture
def desk(protocol: Protocol) -> JobDesk:
    """Jobs on the protocol's database."""
    return JobDesk(protocol)
