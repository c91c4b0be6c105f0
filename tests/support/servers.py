"""Servers that tests turn off and on again."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Self

from pumice.cli.database import upgrade_schema
from pumice.dev.ports import any_free
from pumice.dev.postgres import Postgres
from pumice.dev.servers import running, temporary_folder
from pumice.dev.valkey import Valkey
from tests.support.stack import Stack, running_stack


class Switch:
    """A server, on to begin with."""

    def __init__(self, server: Postgres | Valkey) -> None:
        self.server = server
        self._running: AbstractContextManager[Any] | None = None

    def __enter__(self) -> Self:
        self.on()
        return self

    def __exit__(self, *_: object) -> None:
        self.off()

    def on(self) -> None:
        """Start it, if it is off; return when it answers."""
        if self._running is None:
            self._running = running(self.server)
            self._running.__enter__()

    def off(self) -> None:
        """Stop it, if it is on."""
        stopping, self._running = self._running, None
        if stopping is not None:
            stopping.__exit__(None, None, None)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Off meanwhile."""
        self.off()
        try:
            yield
        finally:
            self.on()


@dataclass(frozen=True)
class Outage:
    """A stack on servers of its own, and their switches. Postgres keeps its data while it is off."""

    stack: Stack
    postgres: Switch
    redis: Switch


@contextmanager
def outage_stack(agents: str, **settings: str) -> Iterator[Outage]:
    """A front and a worker which serve `agents`."""
    with ExitStack() as opened:
        folder = opened.enter_context(temporary_folder())
        postgres, valkey = (
            Postgres(folder / "postgres", any_free(), {"fsync": "off"}),
            Valkey(folder / "redis", any_free()),
        )
        switches = [opened.enter_context(Switch(server)) for server in (postgres, valkey)]
        postgres.make_database("outage")
        upgrade_schema(postgres.url("outage"))
        environ = {"DATABASE_URL": postgres.url("outage"), "REDIS_URL": valkey.url(), **settings}
        yield Outage(opened.enter_context(running_stack(environ, agents)), *switches)
