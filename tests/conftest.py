"""The servers that tests run on: embedded ones, unless TEST_DATABASE_URL and TEST_REDIS_URL name others.

TEST_DATABASE_URL must be allowed to create databases; the Redis database of TEST_REDIS_URL is emptied.
"""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
import redis

from pumice.cli.database import upgrade_schema
from pumice.dev.postgres import Postgres
from pumice.dev.servers import temporary_folder, temporary_postgres, temporary_valkey
from pumice.dev.valkey import Valkey
from pumice.settings import Settings
from tests.support.control import CONTROL_AGENTS, CONTROL_SETTINGS, REDIS_DATABASE
from tests.support.databases import ExternalServer, database
from tests.support.stack import Stack, running_stack

hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")  # a run there answers for its change only: the same examples every time


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", action="store_true", help="run the longer trials too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the longer trials out, unless they are asked for."""
    if config.getoption("--faults"):
        return
    left_out = [item for item in items if item.get_closest_marker("faults")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what a shared stack's processes said last when a test on it fails."""
    report = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed:
        for name, process in getattr(stack, "shared", {}).items():
            report.sections.append((f"last lines of the {name}", "".join(process.lines[-80:])))
    return report


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres | ExternalServer]:
    """Postgres for the whole run, without fsync: the machine's own crash is not among what tests do."""
    if address := os.environ.get("TEST_DATABASE_URL"):
        yield ExternalServer(address)
        return
    with temporary_postgres({"fsync": "off", "full_page_writes": "off"}) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[Valkey | ExternalServer]:
    """Valkey for the whole run."""
    if address := os.environ.get("TEST_REDIS_URL"):
        yield ExternalServer(address)
        return
    with temporary_valkey() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres_server: Postgres | ExternalServer) -> Iterator[str]:
    """The name of a database with the schema and nothing in it."""
    with database(postgres_server.url("postgres")) as name:
        upgrade_schema(postgres_server.url(name))
        yield name


@pytest.fixture
def database_url(postgres_server: Postgres | ExternalServer, migrated_template: str) -> Iterator[str]:
    """The address of an empty database with the schema, for one test."""
    with database(postgres_server.url("postgres"), migrated_template) as name:
        yield postgres_server.url(name)


@pytest.fixture
def redis_url(valkey_server: Valkey | ExternalServer) -> str:
    """The address of an empty Redis database."""
    url = valkey_server.address if isinstance(valkey_server, ExternalServer) else valkey_server.url()
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    """Settings with these servers and nothing else of this machine's environment."""
    return Settings.from_env({"DATABASE_URL": database_url, "REDIS_URL": redis_url})


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that Postgres's account can pass through; root's `tmp_path` is closed to it."""
    with temporary_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def control(
    postgres_server: Postgres | ExternalServer, valkey_server: Valkey | ExternalServer, migrated_template: str
) -> Iterator[Stack]:
    """A front and a worker, shared by the tests of control; see `tests.support.control`."""
    with database(postgres_server.url("postgres"), migrated_template) as name:
        servers = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(REDIS_DATABASE)}
        with running_stack({**servers, **CONTROL_SETTINGS}, CONTROL_AGENTS) as running:
            yield running
