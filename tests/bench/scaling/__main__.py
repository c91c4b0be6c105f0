"""`python -m tests.bench.scaling`: fronts and workers on machines that share nothing but Postgres and Valkey.

The machines are namespaces, so this needs Linux and root. On each run one front and some workers, while the load and
both servers are on the host. A burst of webhooks goes to all fronts at once, for each number of machines.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from pumice.dev.servers import temporary_folder
from tests.bench.run import progress, run_once
from tests.bench.scaling.across import burst_on_machines, chat_and_socket
from tests.bench.scaling.bottleneck import HEAD, Row, findings, line
from tests.bench.scaling.fleet import Fleet
from tests.bench.scaling.machine import MOST, Machine, machines
from tests.bench.scaling.shared import shared_servers
from tests.bench.stack.servers import Servers
from tests.bench.stage import Options, Sample
from tests.bench.workloads import Workload


def main() -> None:
    """Measure each number of machines, and print a row for it; then what goes across, and the next bottleneck."""
    arguments = _parser().parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    options = Options(scale=arguments.scale, workers=arguments.workers)
    most = max(2, *arguments.machines)
    with (
        temporary_folder() as folder,
        machines(most, folder) as made,
        shared_servers([machine.place for machine in made]) as servers,
    ):
        logs = Path(tempfile.mkdtemp(prefix="pumice-bench-"))
        print(f"logs of every process: {logs}", file=sys.stderr)
        problems = _measure(Bench(servers, logs, options), made, arguments.machines)
    sys.exit(1 if problems else 0)


class Bench:
    """Runs workloads on fleets, each with a database of its own."""

    def __init__(self, servers: Servers, logs: Path, options: Options) -> None:
        self.servers = servers
        self.logs = logs
        self.options = options

    def burst(self, made: Sequence[Machine]) -> Sample:
        """Post webhooks to a front on each machine, run by workers on each."""
        return self._run(Workload("burst", burst_on_machines), Fleet(self.servers, self.logs, made, made))

    def across(self, first: Machine, second: Machine) -> Sample:
        """Chat through two fronts with workers on the second machine alone."""
        fleet = Fleet(self.servers, self.logs, [first, second], [second])
        return self._run(Workload("across", chat_and_socket), fleet)

    def _run(self, workload: Workload, fleet: Fleet) -> Sample:
        fleet.prepare()
        sample = run_once(workload, [fleet], self.options)[fleet.name]
        progress(f"{workload.name} on {len(fleet.machines)}", sample)
        return sample


def _measure(bench: Bench, made: Sequence[Machine], numbers: Sequence[int]) -> list[str]:
    """Print everything, and return what was wrong."""
    rows, problems = [], []
    print(line(HEAD), line(["---"] * len(HEAD)), sep="\n", flush=True)
    for number in numbers:
        sample = bench.burst(made[:number])
        problems += sample.problems
        if "webhooks" in sample.values:
            count, accepted, processed = (sample.values[name] for name in ("webhooks", "accepted/s", "processed/s"))
            rows.append(Row(number, count, accepted, processed, sample.usage["burst"]))
            print(line(rows[-1].cells()), flush=True)
    print()
    problems += bench.across(made[0], made[1]).problems
    if not problems:
        print("each machine called Postgres and Valkey and nothing else; nothing was lost, doubled or out of order")
    if rows:
        print("", *findings(rows), sep="\n", flush=True)
    return problems


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scaling", description=__doc__)
    parser.add_argument("--machines", type=_numbers, default=[1, 2, 3], help="how many, separated by commas (1,2,3)")
    parser.add_argument("--workers", type=int, default=1, help="worker processes on each machine (1)")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the number of webhooks (1)")
    return parser


def _numbers(text: str) -> list[int]:
    numbers = [int(part) for part in text.split(",")]
    if not all(1 <= number <= MOST for number in numbers):
        raise argparse.ArgumentTypeError(f"there can be 1 to {MOST} machines")
    return numbers


def _end(number: int, _frame: FrameType | None) -> None:
    """Leave through every block that tidies up, undisturbed by a second signal."""
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, signal.SIG_IGN)
    sys.exit(f"ended by {signal.Signals(number).name}")


if __name__ == "__main__":
    main()
