"""The table: medians (smallest to largest) by contender, ratios, and whether the target is reached."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

from tests.bench.run import Results
from tests.bench.stage import Sample
from tests.bench.targets import Target, targets

REFERENCES = ("echo", "baseline", "restate")
"""What Pumice is compared with; Restate has its columns only where it took part."""

CONTENDERS = (*REFERENCES, "pumice")


def table(results: Results, fronts: int) -> str:
    """Return the plain table of every metric, then what was saturated, then what was wrong."""
    rows = list(_rows(results, fronts))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "-" * len(max(lines, key=len)))
    lines += ["", "share of one core used in the last repetition", *_saturation(results)]
    if disturbed := sum(results.disturbed()):
        lines += ["", f"{disturbed} of {len(results.disturbed())} windows were disturbed by other processes"]
    problems = results.problems()
    lines += ["", f"{len(problems)} problems" if problems else "every result was verified", *problems]
    return "\n".join(lines)


def medians(samples: dict[str, list[Sample]], metric: str) -> dict[str, float]:
    """Return one metric's median by contender."""
    values = {name: _values(taken, metric) for name, taken in samples.items()}
    return {name: statistics.median(found) for name, found in values.items() if found}


def _rows(results: Results, fronts: int) -> Iterator[tuple[str, ...]]:
    restate = results.took_part("restate")
    references = [name for name in REFERENCES if restate or name != "restate"]
    goals = targets(fronts, restate=restate)
    yield ("workload", "metric", *references, "pumice", *(f"/{name}" for name in references), "target", "")
    for workload, samples in results.samples.items():
        metrics = dict.fromkeys(metric for taken in samples.values() for one in taken for metric in one.values)
        for metric in metrics:
            middle = medians(samples, metric)
            spread = [_spread(_values(samples.get(name, []), metric)) for name in (*references, "pumice")]
            ratios = [_ratio(middle, other) for other in references]
            yield (workload, metric, *spread, *ratios, *_verdict(goals.get((workload, metric)), middle))


def _values(samples: Sequence[Sample], metric: str) -> list[float]:
    return [sample.values[metric] for sample in samples if metric in sample.values]


def _spread(values: Sequence[float]) -> str:
    if not values:
        return ""
    middle = _number(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({_number(min(values))}-{_number(max(values))})"


def _number(value: float) -> str:
    if value != value:  # noqa: PLR0124 (the test for NaN: unknown)
        return "?"
    digits = 0 if abs(value) >= 100 or value == 0 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def _ratio(middle: dict[str, float], other: str) -> str:
    if "pumice" not in middle or not middle.get(other):
        return ""
    return f"{middle['pumice'] / middle[other]:.2f}"


def _verdict(target: Target | None, middle: Mapping[str, float]) -> tuple[str, str]:
    if target is None:
        return "", ""
    reached = target.reached(middle) if "pumice" in middle else None
    return target.words, "" if reached is None else "hit" if reached else "MISS"


def _saturation(results: Results) -> Iterator[str]:
    for workload, samples in results.samples.items():
        for contender, taken in samples.items():
            for window, usage in taken[-1].usage.items():
                yield f"  {workload} ({window}), {contender}: {usage.verdict()}"
