"""Runs workloads: contenders in turn within each repetition, or at once, so that a slow minute hits all of them."""

import sys
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from tests.bench.contenders.contender import Contender
from tests.bench.stack.usage import wait_for_quiet
from tests.bench.stage import Options, Sample, on_stage
from tests.bench.workloads import Workload


@dataclass
class Results:
    """Every sample, by workload and contender, in the order of the repetitions."""

    samples: dict[str, dict[str, list[Sample]]] = field(default_factory=dict)

    def add(self, workload: str, contender: str, sample: Sample) -> None:
        """Keep one sample."""
        self.samples.setdefault(workload, {}).setdefault(contender, []).append(sample)

    def took_part(self, contender: str) -> bool:
        """Tell whether anything was measured of a contender."""
        return any(contender in contenders for contenders in self.samples.values())

    def disturbed(self) -> list[bool]:
        """Return of every measured window whether others used the machine too."""
        windows = (sample.usage for taken in self.samples.values() for one in taken.values() for sample in one)
        return [usage.disturbed for window in windows for usage in window.values()]

    def problems(self) -> list[str]:
        """Return what was wrong in any of them."""
        return [
            f"{workload}: {problem}"
            for workload, contenders in self.samples.items()
            for samples in contenders.values()
            for sample in samples
            for problem in sample.problems
        ]


@dataclass(frozen=True)
class Plan:
    """What to repeat how often; `quiet` is the seconds that the machine gets to become idle before each run."""

    workloads: Sequence[Workload]
    contenders: Sequence[Contender]
    options: Options
    runs: int
    quiet: float


def run_all(plan: Plan, results: Results) -> None:
    """Repeat each workload, unless once is enough, with each contender that offers it, and add to `results`."""
    for workload in plan.workloads:
        for number in range(plan.runs if workload.repeated else 1):
            for group in groups(workload, plan.contenders):
                wait_for_quiet(plan.quiet)
                for name, sample in run_once(workload, group, plan.options).items():
                    results.add(workload.name, name, sample)
                    progress(f"{workload.name} {number + 1}/{plan.runs} {name}", sample)


def groups(workload: Workload, contenders: Sequence[Contender]) -> list[list[Contender]]:
    """Return those that offer the workload, in the groups that run at the same time."""
    offering = [contender for contender in contenders if contender.offers(workload.name)]
    if workload.at_once:
        return [offering] if offering else []
    return [[contender] for contender in offering]


def run_once(workload: Workload, contenders: Sequence[Contender], options: Options) -> dict[str, Sample]:
    """Run one workload from a fresh start, and return samples by contender; what breaks it is a problem of each."""
    options = replace(options, workers=workload.workers or options.workers)
    try:
        with ExitStack() as stack:
            stages = [stack.enter_context(on_stage(contender, options, workload.roles)) for contender in contenders]
            workload.run(*stages)
            return {stage.contender.name: stage.sample for stage in stages}
    except Exception as error:
        traceback.print_exc()
        lines = str(error).splitlines() or [repr(error)]
        what = f"the run broke: {' … '.join(dict.fromkeys((lines[0], lines[-1])))}"
        return {contender.name: Sample(problems=[f"{contender.name}: {what}"]) for contender in contenders}


def progress(title: str, sample: Sample) -> None:
    """Tell on stderr how one run went, so that the table alone goes to stdout."""
    values = "  ".join(f"{name}={value:,.4g}" for name, value in sample.values.items())
    print(f"{title}: {values}", file=sys.stderr)
    for window, usage in sample.usage.items():
        print(f"    {window}: {usage.verdict()}", file=sys.stderr)
    for problem in sample.problems:
        print(f"    WRONG {problem}", file=sys.stderr)
    sys.stderr.flush()
