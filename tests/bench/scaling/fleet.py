"""Pumice on several machines: a front on each of some, workers on each of some."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.contenders.pumice import PUMICE, Pumice
from tests.bench.loader.http import Address
from tests.bench.scaling.machine import Machine
from tests.bench.stack.servers import Servers

PORT = 8000
"""The same on every machine: each has its own."""


class Fleet(Pumice):
    """One front process on each of the machines `fronts`, and as many workers as it is told on each of `workers`."""

    def __init__(
        self, servers: Servers, directory: Path, fronts: Sequence[Machine], workers: Sequence[Machine]
    ) -> None:
        super().__init__(servers, directory)
        self.fronts = fronts
        self.workers = workers

    @property
    def address(self) -> Address:
        """Where the first machine's front listens."""
        return self.addresses[0]

    @property
    def addresses(self) -> Sequence[Address]:
        """Where the fronts listen."""
        return [(machine.place.address, PORT) for machine in self.fronts]

    @property
    def machines(self) -> list[Machine]:
        """All that run something."""
        return list({machine.place: machine for machine in [*self.fronts, *self.workers]}.values())

    def commands(self, fronts: int, workers: int) -> dict[str, list[list[str]]]:
        """Enter a machine for each process."""
        return {
            "front": [machine.command([*PUMICE, "web"], self._settings(machine)) for machine in self.fronts],
            "worker": [
                machine.command([*PUMICE, "worker"], self._settings(machine))
                for machine in self.workers
                for _ in range(workers)
            ],
        }

    def servers_of(self, machine: Machine) -> set[Address]:
        """Return where a machine finds Postgres and Valkey."""
        urls = (self.database_url, self.redis_url)
        return {(machine.place.host, urlsplit(url).port or 0) for url in urls}

    def _settings(self, machine: Machine) -> dict[str, str]:
        return {
            "DATABASE_URL": _at(self.database_url, machine.place.host),
            "REDIS_URL": _at(self.redis_url, machine.place.host),
            "HOST": machine.place.address,
            "PORT": str(PORT),
            "WEB_CONCURRENCY": "1",
        }


def _at(url: str, host: str) -> str:
    """Return the same server's URL under another of its addresses."""
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}{host}:{parts.port}").geturl()
