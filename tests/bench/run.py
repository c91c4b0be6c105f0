"""Runs workloads: contenders in turn within each repetition, so that a slow minute of the machine hits all of them."""

import sys
import traceback
from collections.abc import Sequence
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
            for contender in plan.contenders:
                if contender.offers(workload.name):
                    wait_for_quiet(plan.quiet)
                    sample = run_once(workload, contender, plan.options)
                    results.add(workload.name, contender.name, sample)
                    progress(f"{workload.name} {number + 1}/{plan.runs} {contender.name}", sample)


def run_once(workload: Workload, contender: Contender, options: Options) -> Sample:
    """Run one workload on one contender from a fresh start; what breaks the run becomes its problem."""
    options = replace(options, workers=workload.workers or options.workers)
    try:
        with on_stage(contender, options, workload.roles) as stage:
            workload.run(stage)
            return stage.sample
    except Exception as error:
        traceback.print_exc()
        lines = str(error).splitlines() or [repr(error)]
        return Sample(problems=[f"{contender.name}: the run broke: {' … '.join(dict.fromkeys((lines[0], lines[-1])))}"])


def progress(title: str, sample: Sample) -> None:
    """Tell on stderr how one run went, so that the table alone goes to stdout."""
    values = "  ".join(f"{name}={value:,.4g}" for name, value in sample.values.items())
    print(f"{title}: {values}", file=sys.stderr)
    for window, usage in sample.usage.items():
        print(f"    {window}: {usage.verdict()}", file=sys.stderr)
    for problem in sample.problems:
        print(f"    WRONG {problem}", file=sys.stderr)
    sys.stderr.flush()
