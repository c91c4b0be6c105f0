"""Issue-sized goals as data: each compares medians of one run's contenders. They are printed, never asserted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Medians = Mapping[str, float]
"""One metric's median by contender."""


@dataclass(frozen=True)
class Target:
    """A goal in words, and whether pumice's median reaches it; None where what it is compared with is missing."""

    words: str
    reached: Callable[[Medians], bool | None]


def at_least(value: float) -> Callable[[Medians], bool | None]:
    """Reach a value."""
    return lambda medians: medians["pumice"] >= value


def at_most(value: float) -> Callable[[Medians], bool | None]:
    """Stay within a value."""
    return lambda medians: medians["pumice"] <= value


def times(factor: float, other: str) -> Callable[[Medians], bool | None]:
    """Reach a multiple of another contender's median."""
    return lambda medians: medians["pumice"] >= factor * medians[other] if other in medians else None


def within(factor: float, other: str) -> Callable[[Medians], bool | None]:
    """Stay within a fraction of another contender's median."""
    return lambda medians: medians["pumice"] <= factor * medians[other] if other in medians else None


def both(*goals: Callable[[Medians], bool | None]) -> Callable[[Medians], bool | None]:
    """Reach every goal that can be told."""

    def reached(medians: Medians) -> bool | None:
        known = [answer for goal in goals if (answer := goal(medians)) is not None]
        return all(known) if known else None

    return reached


TARGETS = {
    ("accept", "accepted/s"): Target("65% of echo, 5 x baseline", both(times(0.65, "echo"), times(5, "baseline"))),
    ("burst", "processed/s"): Target("10 x baseline", times(10, "baseline")),
    ("burst", "out of order %"): Target("0", at_most(0)),
    ("hotkey", "turns/s"): Target("20 x baseline, 5,000", both(times(20, "baseline"), at_least(5_000))),
    ("hotkey", "out of order %"): Target("0", at_most(0)),
    ("chat", "p50 ms"): Target("0.6 x baseline, aim 4", within(0.6, "baseline")),
    ("chat", "p99 ms"): Target("under 20", at_most(20)),
    ("fanout", "seconds"): Target("baseline / 20, under 3.5", both(within(1 / 20, "baseline"), at_most(3.5))),
    ("slow-async", "seconds"): Target("under 3", at_most(3)),
    ("sockets", "kB each"): Target("under 40", at_most(40)),
    ("sockets", "each and back s"): Target("within 2", at_most(2)),
    ("state", "100 kB/1 kB"): Target("0.5", at_least(0.5)),
    ("history", "many/few cost"): Target("within 1.2", at_most(1.2)),
}
"""By workload and metric."""
