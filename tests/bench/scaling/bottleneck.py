"""What the rows say: their table, and which of the things that can't be multiplied holds back first."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.stack.usage import Usage

ROLES = ("front", "worker", "postgres", "valkey", "loader")
MULTIPLIED = ("front", "worker")
"""Roles of which each machine that is added brings more."""

HEAD = ("machines", "accepted/s", "processed/s", *(f"{role} CPU" for role in ROLES), "saturated")


@dataclass(frozen=True)
class Row:
    """One burst of `count` webhooks on so many machines."""

    machines: int
    count: float
    accepted: float
    processed: float
    usage: Usage

    def cost(self, role: str) -> float:
        """Return the CPU milliseconds that a role spent on each webhook."""
        return 1000 * self.usage.seconds.get(role, 0.0) / self.count

    def cells(self) -> list[str]:
        """Return what the table shows: shares are of one core, of all processes of a role together."""
        shares = [f"{self.usage.seconds.get(role, 0.0) / self.usage.wall:.0%}" for role in ROLES]
        full = self.usage.saturated() or ["nothing"]
        if self.usage.disturbed:
            full.append(_others(self))
        return [str(self.machines), f"{self.accepted:,.0f}", f"{self.processed:,.0f}", *shares, ", ".join(full)]


@dataclass(frozen=True)
class Wall:
    """A server that all machines share: what it spends on a webhook, and how many cores it can use."""

    name: str
    cost: float
    cores: int

    @property
    def rate(self) -> float:
        """The webhooks per second with which it is busy all the time."""
        return 1000 * self.cores / self.cost

    def __str__(self) -> str:
        cores = "the one core" if self.cores == 1 else f"{self.cores} cores like these"
        return f"{self.cost:.3f} ms of CPU a webhook, so {self.rate:,.0f} webhooks/s on {cores} that it can use"


def line(cells: Sequence[str]) -> str:
    """Return one line of the table."""
    return f"| {' | '.join(cells)} |"


def walls(row: Row) -> list[Wall]:
    """Return the shared servers by the rate at which they are full, the nearest first.

    Postgres has a process for each connection, and so uses every core; one thread runs all of Valkey's commands.
    """
    found = [
        Wall("Postgres", row.cost("postgres"), row.usage.cores),
        Wall("Valkey", row.cost("valkey"), 1),
    ]
    return sorted((wall for wall in found if wall.cost), key=lambda wall: wall.rate)


def findings(rows: Sequence[Row]) -> list[str]:
    """Say what held the largest row back, what more machines cost, and what is the next bottleneck."""
    last = max(rows, key=lambda row: row.machines)
    return [_held_back(last), *_growth(rows), *_next(last)]


def _held_back(row: Row) -> str:
    where = f"With {_machines(row.machines)}"
    if row.usage.full:
        others = f", {_others(row)} of one" if row.usage.disturbed else ""
        return f"{where}, all {row.usage.cores} cores of the host were full{others}: more machines only share them out."
    full = row.usage.saturated()
    return f"{where}, saturated was: {', '.join(full) if full else 'nothing; the rate is bound by waiting'}."


def _growth(rows: Sequence[Row]) -> list[str]:
    first, last = (pick(rows, key=lambda row: row.machines) for pick in (min, max))
    if first.machines == last.machines:
        return []
    changes = ", ".join(f"{role} {first.cost(role):.3f} -> {last.cost(role):.3f} ms" for role in ROLES)
    return [f"CPU a webhook, from {_machines(first.machines)} to {last.machines}: {changes}."]


def _next(row: Row) -> list[str]:
    ahead = walls(row)
    if not ahead:
        return ["The run was too short to tell the next bottleneck: the shared servers' clocks have not moved."]
    nearest, *others = ahead
    needed = " and ".join(f"{nearest.rate * row.cost(role) / 1000:.1f} cores of {role}s" for role in MULTIPLIED)
    return [
        f"Next bottleneck: {nearest.name}. There is one of it for all machines. It spends {nearest}.",
        f"To fill it takes {needed}, which more machines bring.",
        *(f"After it, {wall.name}: {wall}." for wall in others),
    ]


def _others(row: Row) -> str:
    return f"others took {row.usage.strangers / row.usage.wall:.0%}"


def _machines(count: int) -> str:
    return f"{count} machine{'' if count == 1 else 's'}"
