"""Issue-sized goals as data: each compares medians of one run's contenders. They are printed, never asserted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

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
    ("burst", "out of order %"): Target("0", at_most(0)),
    ("hotkey", "turns/s"): Target("20 x baseline, 5,000", both(times(20, "baseline"), at_least(5_000))),
    ("hotkey", "out of order %"): Target("0", at_most(0)),
    ("chat", "p50 ms"): Target("0.6 x baseline, aim 4", within(0.6, "baseline")),
    ("chat", "p99 ms"): Target("under 20", at_most(20)),
    ("fanout", "seconds"): Target("baseline / 30, under 3.5", both(within(1 / 30, "baseline"), at_most(3.5))),
    ("slow-async", "seconds"): Target("under 3", at_most(3)),
    ("sockets", "kB each"): Target("under 40", at_most(40)),
    ("sockets", "each and back s"): Target("within 1.2", at_most(1.2)),
    ("streams", "first delta p50 ms"): Target("under 2", at_most(2)),
    ("state", "100 kB/1 kB"): Target("0.5", at_least(0.5)),
    ("history", "many/few cost"): Target("within 1.2", at_most(1.2)),
    ("history", "many/few accept cost"): Target("within 1.2", at_most(1.2)),
}
"""By workload and metric."""

AGAINST_RESTATE = {
    ("burst", "accepted/s"): Target("1 x restate", times(1, "restate")),
    ("chat", "p50 ms"): Target("0.7 x restate", within(0.7, "restate")),
    ("chat", "p99 ms"): Target("1 x restate", within(1, "restate")),
    ("fanout", "seconds"): Target("restate / 10", within(1 / 10, "restate")),
}

PROCESSED = {1: (10, 2.8), 2: (13, 3.6)}
"""Webhooks processed in a second of a burst, by the number of fronts: so many times the baseline's, and Restate's."""


def targets(fronts: int, *, restate: bool) -> dict[tuple[str, str], Target]:
    """Return the goals of a run with so many fronts, by workload and metric; those against Restate where it ran."""
    parts = [TARGETS, AGAINST_RESTATE] if restate else [TARGETS]
    if fronts in PROCESSED:
        baseline, other = PROCESSED[fronts]
        key = ("burst", "processed/s")
        parts.append({key: Target(f"{baseline:g} x baseline", times(baseline, "baseline"))})
        if restate:
            parts.append({key: Target(f"{other:g} x restate", times(other, "restate"))})
    return {key: _together([part[key] for part in parts if key in part]) for key in dict.fromkeys(chain(*parts))}


def _together(goals: Sequence[Target]) -> Target:
    return Target(", ".join(goal.words for goal in goals), both(*(goal.reached for goal in goals)))
