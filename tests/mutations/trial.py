"""Trying a mutation: its tests are run on a copy of the project with the bug in it, and must fail."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.mutations.mutation import ROOT, Mutation

COPIED = ("app", "workers", "migrations", "tests", "examples", "docs", "bin", "pyproject.toml", "Procfile", "README.md")
LIMIT = 240.0
"""Seconds that the tests of one row may take. Tests that hang instead of failing tell nobody what broke."""
FAILED = re.compile(r"^FAILED (\S+?)(?:\[.*)?(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a trial. `missed`: the tests that did not fail. `why`: what went wrong otherwise."""

    name: str
    row: Mutation
    seconds: float
    missed: tuple[str, ...] = ()
    why: str = ""

    @property
    def seen(self) -> bool:
        """Whether every test saw the bug."""
        return not self.missed and not self.why


def attempt(name: str, row: Mutation) -> Verdict:
    """Apply a mutation to a copy and run its tests there."""
    started = time.monotonic()
    with project_copy() as root:
        try:
            row.apply(root)
        except ValueError as error:
            return Verdict(name, row, 0.0, why=str(error))
        status, output = run_tests(root, row.tests)
    seconds = time.monotonic() - started
    if status is None:
        return Verdict(name, row, seconds, why=f"its tests were still running after {LIMIT:.0f} s")
    failed = set(FAILED.findall(output))
    missed = tuple(test for test in row.tests if test.partition("[")[0] not in failed)
    if missed and status not in {0, 1}:
        return Verdict(name, row, seconds, missed, why=f"pytest ended with {status}: {output[-2000:]}")
    return Verdict(name, row, seconds, missed)


def run_tests(root: Path, tests: Sequence[str]) -> tuple[int | None, str]:
    """Run tests in a copy of the project. Returns pytest's exit status, None when it took too long, and its output."""
    command = [sys.executable, "-m", "pytest", "-q", "-rf", "--tb=line", "--faults", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=root, env=_environ(root), capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired as expired:
        return None, (expired.stdout or b"").decode(errors="replace")
    return done.returncode, done.stdout + done.stderr


@contextmanager
def project_copy() -> Iterator[Path]:
    """A copy of the project's files, which is gone afterwards: the checkout itself is never touched."""
    with TemporaryDirectory(prefix="pumice-mutation-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.is_file():
                shutil.copy2(source, root / name)
        yield root


def _environ(root: Path) -> Mapping[str, str]:
    """The copy's own source roots come first; the installed project points to the checkout."""
    return {**os.environ, "PYTHONPATH": f"{root}/app:{root}/workers:{root}", "PYTHONDONTWRITEBYTECODE": "1"}
