"""`python -m tests.bench`: measure echo, baseline and pumice in one run; `compare A.json B.json`: two runs.

With `--peers DIR`, Restate is measured too; it is installed into DIR where it is missing.
"""

import argparse
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.bench.contenders.baseline import Baseline
from tests.bench.contenders.contender import Contender
from tests.bench.contenders.echo import Echo
from tests.bench.contenders.pumice import Pumice
from tests.bench.contenders.restate import Restate
from tests.bench.peers.installation import Installation
from tests.bench.record import compare, save
from tests.bench.report import table
from tests.bench.run import Plan, Results, run_all
from tests.bench.stack.servers import servers
from tests.bench.stage import Options
from tests.bench.workloads import WORKLOADS

CONTENDERS: tuple[type[Contender], ...] = (Echo, Baseline, Pumice)


def main() -> None:
    """Run or compare, as the command line says."""
    arguments = _parser().parse_args()
    if arguments.command == "compare":
        print(compare(arguments.before, arguments.after))
        return
    _raise_file_limit()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    options = Options(scale=arguments.scale, fronts=arguments.fronts, workers=arguments.workers)
    workloads = [one for one in WORKLOADS if not arguments.only or one.name in arguments.only]
    peers = Installation(arguments.peers) if arguments.peers else None
    if peers:
        peers.complete()
    directory = Path(tempfile.mkdtemp(prefix="pumice-bench-"))
    print(f"logs of every process: {directory}", file=sys.stderr)
    with servers() as running:
        contenders = [kind(running, directory) for kind in CONTENDERS if kind.name in arguments.contenders]
        if peers:
            contenders.append(Restate(running, directory, peers))
        for contender in contenders:
            contender.prepare()
        results = Results()
        try:
            run_all(Plan(workloads, contenders, options, arguments.runs, arguments.quiet), results)
        finally:  # a run that is stopped early has shown something too
            if arguments.json:
                save(arguments.json, results, options, running)
            print(table(results, options.fronts), flush=True)
    sys.exit(1 if results.problems() else 0)


def _parser() -> argparse.ArgumentParser:
    names = [workload.name for workload in WORKLOADS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", type=_choice(names), help=f"workloads, separated by commas: {', '.join(names)}")
    known = [kind.name for kind in CONTENDERS]
    parser.add_argument("--contenders", type=_choice(known), default=known, help=f"of {', '.join(known)}")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="add Restate, installed into DIR where it is missing")
    parser.add_argument("--runs", type=int, default=3, help="repetitions of each workload (3)")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on every count (1)")
    parser.add_argument("--fronts", type=int, default=1, help="front processes of every contender (1)")
    parser.add_argument("--workers", type=int, default=2, help="worker processes of every contender (2)")
    parser.add_argument("--quiet", type=float, default=0, help="seconds to wait for an idle machine before each (0)")
    parser.add_argument("--json", type=Path, help="file for every number")
    parser.set_defaults(command="run")
    commands = parser.add_subparsers(metavar="compare")
    comparison = commands.add_parser("compare", help="print the ratios of two --json files")
    comparison.add_argument("before", type=Path)
    comparison.add_argument("after", type=Path)
    comparison.set_defaults(command="compare")
    return parser


def _choice(known: list[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not one of {', '.join(known)}")
        return names

    return parse


def _raise_file_limit() -> None:
    """Thousands of sockets need more files than many machines allow a process at first; children inherit this."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
