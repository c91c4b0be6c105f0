"""Which process saturates: CPU seconds by role over a measured window, from the kernel's accounting."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psutil

SATURATED = 0.85
"""The share of one core, or of all cores, from which something counts as what held the run back."""

DISTURBED = 0.15
"""The share of one core that others may use before a window counts as disturbed."""


def wait_for_quiet(patience: float) -> None:
    """Return when the machine has been idle for two seconds, or after `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and psutil.cpu_percent(2) > 100 * DISTURBED / (psutil.cpu_count() or 1):
        pass


@dataclass
class Usage:
    """CPU seconds by role in a window, and the share of one core that the busiest process of each role used."""

    wall: float
    cores: int
    seconds: dict[str, float] = field(default_factory=dict)
    busiest: dict[str, float] = field(default_factory=dict)
    strangers: float = 0.0

    def add(self, role: str, seconds: float, busiest: float | None = None) -> None:
        """Count CPU seconds that processes which have ended meanwhile reported themselves, `busiest` of them of one."""
        self.seconds[role] = self.seconds.get(role, 0.0) + seconds
        most = seconds if busiest is None else busiest
        self.busiest[role] = max(self.busiest.get(role, 0.0), most / self.wall)
        self.strangers = max(0.0, self.strangers - seconds)

    def followed_by(self, later: "Usage") -> "Usage":
        """Return two windows as one: seconds add up, and shares of a core weigh as much as their window is long."""
        wall = self.wall + later.wall
        roles = {**self.seconds, **later.seconds}
        busy = {
            role: self.busiest.get(role, 0.0) * self.wall + later.busiest.get(role, 0.0) * later.wall for role in roles
        }
        return Usage(
            wall=wall,
            cores=later.cores,
            seconds={role: self.seconds.get(role, 0.0) + later.seconds.get(role, 0.0) for role in roles},
            busiest={role: seconds / wall for role, seconds in busy.items()},
            strangers=self.strangers + later.strangers,
        )

    def cost(self, count: int) -> float:
        """Return the CPU milliseconds that the contender and the servers spent on each of `count` things."""
        return 1000 * sum(seconds for role, seconds in self.seconds.items() if role != "loader") / count

    @property
    def disturbed(self) -> bool:
        """Whether processes that don't belong to the run took part of the machine."""
        return self.strangers / self.wall > DISTURBED

    def verdict(self) -> str:
        """Say in a few words what each role used of one core, and what was saturated."""
        parts = [f"{role} {seconds / self.wall:.0%}" for role, seconds in self.seconds.items()]
        if self.strangers / self.wall >= 0.05:
            parts.append(f"others {self.strangers / self.wall:.0%}")
        full = self.saturated()
        return ", ".join(parts) + (f" (saturated: {', '.join(full)})" if full else "")

    def saturated(self) -> list[str]:
        """Name the roles of which one process filled its core, and say when all cores were full."""
        full = [role for role, share in self.busiest.items() if share >= SATURATED]
        return [*full, f"all {self.cores} cores"] if self.full else full

    @property
    def full(self) -> bool:
        """Whether the run and others together filled all cores."""
        return (sum(self.seconds.values()) + self.strangers) / self.wall >= SATURATED * self.cores


class Meter:
    """Reads the CPU clocks of processes and everything below them, by role, when made and when read."""

    def __init__(self, roles: Mapping[str, Sequence[int]]) -> None:
        self.roles = roles
        self.started = time.monotonic()
        self.machine = _machine_seconds()
        self.own = time.process_time()
        self.before = {role: _trees(pids) for role, pids in roles.items()}

    def read(self) -> Usage:
        """Return what was used since the meter was made."""
        usage = Usage(wall=time.monotonic() - self.started, cores=psutil.cpu_count() or 1)
        machine = _machine_seconds() - self.machine
        for role, pids in self.roles.items():
            before, after = self.before[role], _trees(pids)
            usage.seconds[role] = sum(sum(clocks) for clocks in after.values()) - sum(map(sum, before.values()))
            own = (clocks[0] - before.get(pid, (0.0, 0.0))[0] for pid, clocks in after.items())
            usage.busiest[role] = max(own, default=0.0) / usage.wall
        usage.strangers = max(0.0, machine - sum(usage.seconds.values()))
        usage.add("loader", time.process_time() - self.own)
        return usage


def _trees(pids: Sequence[int]) -> dict[int, tuple[float, float]]:
    """Return for each process its own CPU seconds and those of the children that it has buried."""
    clocks = {}
    for pid in pids:
        root = psutil.Process(pid)
        for member in [root, *root.children(recursive=True)]:
            try:
                times = member.cpu_times()
            except psutil.NoSuchProcess:
                continue
            clocks[member.pid] = (times.user + times.system, times.children_user + times.children_system)
    return clocks


def _machine_seconds() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.softirq + times.irq)
