"""A deploy: servers of a kind that a test chooses, and the Procfile's processes on them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

pytest.register_assert_rewrite("tests.deploy.journey")

from pumice.cli.database import upgrade_schema  # noqa: E402 (the journey's asserts are to be rewritten first)
from pumice.settings import Settings  # noqa: E402
from tests.deploy.agents import AGENTS  # noqa: E402
from tests.support.databases import database  # noqa: E402
from tests.support.faults_agents import Gates  # noqa: E402
from tests.support.stack import Stack, running_stack  # noqa: E402


class Deploy(Protocol):
    """Runs a front, a worker and a beat with these settings; `beats` says how many beats."""

    def __call__(self, *, beats: int = 1, **settings: str) -> AbstractContextManager[Stack]: ...


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the longer tests out unless they are asked for, as `python -m tests.deploy` does."""
    if "deploy" in config.getoption("markexpr"):
        return
    left_out = [item for item in items if item.get_closest_marker("deploy")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def gates(open_folder: Path) -> Gates:
    """The gates of the test's handlers."""
    folder = open_folder / "gates"
    folder.mkdir()
    return Gates(folder)


@pytest.fixture
def deploy(gates: Gates, request: pytest.FixtureRequest) -> Deploy:
    """Starts deploys. Servers that the settings do not name are those of the whole run."""

    @contextmanager
    def started(*, beats: int = 1, **settings: str) -> Iterator[Stack]:
        for name in ("DATABASE_URL", "REDIS_URL"):
            settings.setdefault(name, request.getfixturevalue(name.lower()))
        with ExitStack() as opened:
            stack = opened.enter_context(running_stack({**settings, "FAULT_GATES": str(gates.folder)}, AGENTS))
            stack.shared |= {f"beat{place}": opened.enter_context(stack.process("beat")) for place in range(beats)}
            opened.callback(_show, stack)
            yield stack

    return started


@contextmanager
def migrated(administrator: str) -> Iterator[str]:
    """The address of a new database with the schema, as `pumice db upgrade` makes it."""
    address = Settings.from_env({"DATABASE_URL": administrator}).database_url
    with database(address) as name:
        url = f"{address.rpartition('/')[0]}/{name}"
        upgrade_schema(url)
        yield url.replace("postgresql://", "postgres://", 1)


def _show(stack: Stack) -> None:
    for name, process in stack.shared.items():
        print(f"--- {name}\n{process.output}")  # noqa: T201 (pytest shows it when the test fails)
