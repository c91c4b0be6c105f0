"""Break each promise for a moment and see its tests fail: `python -m tests.mutations [--list] [--only NAME …]`.

    python -m tests.mutations                    all rows of the table, two at a time
    python -m tests.mutations --proves 2 3       the rows of some guarantees
    python -m tests.mutations --only recovery-1  some rows; a name without a number is a whole file of the table
    python -m tests.mutations --part 7           a few rows, others for each number: what CI runs
    python -m tests.mutations --baseline         first see that all those tests pass on the project as it is

Exit status 1: a bug that a test did not see, or a row that can't be applied any more.
"""

import argparse
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from tests.mutations.mutation import Mutation, rows
from tests.mutations.trial import Verdict, attempt, project_copy, run_tests

PART = 4
"""Rows that `--part` runs at the most."""


def main() -> int:
    """Run the command. Returns its exit status."""
    options = _parser().parse_args()
    chosen = _choose(rows(), options.only, options.proves)
    if options.part is not None:
        chosen = _part(chosen, options.part)
    if options.list:
        for name, row in chosen.items():
            print(f"{name:16} {row.proves:28.28} {row.file}")
        return 0
    if options.baseline and not _baseline(chosen):
        return 1
    print(f"{len(chosen)} deliberate bugs, {options.jobs} at a time")
    with ThreadPoolExecutor(options.jobs) as pool:
        verdicts = []
        for verdict in pool.map(lambda item: attempt(*item), chosen.items()):
            _tell(verdict)
            verdicts.append(verdict)
    unseen = [verdict for verdict in verdicts if not verdict.seen]
    print(f"{len(verdicts) - len(unseen)} of {len(verdicts)} were seen by every test named for them")
    return 1 if unseen else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description="Deliberate bugs, and who sees them")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these rows, or files of the table")
    parser.add_argument("--proves", nargs="+", metavar="GUARANTEE", help="the rows of these guarantees")
    parser.add_argument("--part", type=int, metavar="N", help="a few rows, others for each number")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (2)")
    parser.add_argument("--list", action="store_true", help="name the rows and run nothing")
    parser.add_argument("--baseline", action="store_true", help="see the tests pass without the bugs first")
    return parser


def _choose(known: Mapping[str, Mutation], only: list[str] | None, proves: list[str] | None) -> dict[str, Mutation]:
    chosen = {
        name: row
        for name, row in known.items()
        if (only is None or name in only or name.rpartition("-")[0] in only)
        and (proves is None or row.proves in proves)
    }
    if not chosen:
        sys.exit("no row of the table is called so; see --list")
    return chosen


def _part(chosen: Mapping[str, Mutation], number: int) -> dict[str, Mutation]:
    """A few rows from all over the table; as the number grows, each row has its turn."""
    names = list(chosen)
    parts = -(-len(names) // PART)
    return {name: chosen[name] for name in names[number % parts :: parts]}


def _baseline(chosen: Mapping[str, Mutation]) -> bool:
    """Run the tests of these rows on the project as it is. Returns whether all pass."""
    tests = sorted({test for row in chosen.values() for test in row.tests})
    with project_copy() as root:
        status, output = run_tests(root, tests)
    print(f"without the bugs, {len(tests)} tests {'pass' if status == 0 else f'do not pass: {output[-3000:]}'}")
    return status == 0


def _tell(verdict: Verdict) -> None:
    what = f"{verdict.name:16} {verdict.row.proves:28.28} {verdict.seconds:5.1f} s"
    print(f"{'seen  ' if verdict.seen else 'UNSEEN'} {what}", flush=True)
    for test in verdict.missed:
        print(f"       did not fail: {test}", flush=True)
    if verdict.why:
        print(f"       {verdict.why}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
