"""The walk from a bug to its test, in docs/debugging.md, as it stands there: on a served agent whose file changes."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pumice.dev.servers import temporary_folder
from tests.support.documents import ROOT, blocks, fits, shell
from tests.support.processes import free_port, python_path, started_dev
from tests.support.waiting import wait_until

DOCUMENT = ROOT / "docs" / "debugging.md"
END = "--- end of block ---"
RELOADED = 120
"""Seconds that a reload may take on a machine with other work."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with the agent of the document."""
    with temporary_folder() as made:
        for block in blocks(DOCUMENT):
            if block.note.startswith("file: "):
                (made / block.note.removeprefix("file: ")).write_text(block.text)
        yield made


def test_a_bug_is_found_repaired_and_kept_as_a_test(folder: Path) -> None:
    steps = [(block.text, shown) for block, shown in shell(DOCUMENT) if "pumice dev" not in block.text]
    names = "".join(steps[0][0].splitlines(keepends=True)[:2])
    repair = next(number for number, (text, _) in enumerate(steps) if text.startswith("sed "))
    options = ("--agents", "till=till:Till", "--port", str(free_port()))
    with started_dev(folder / ".pumice", *options, cwd=folder) as dev:
        dev.wait_ready(RELOADED)
        check(folder, names, steps[: repair + 1])
        wait_until(lambda: "ready again after" in dev.output, RELOADED, f"a reload in\n{dev.output}")
        check(folder, names, steps[repair + 1 :])


def check(folder: Path, names: str, steps: Sequence[tuple[str, str | None]]) -> None:
    """Run commands in one shell; each prints what the document shows."""
    script = f"\necho; echo '{END}'\n".join([f"set -euo pipefail\n{names}", *(text for text, _ in steps)])
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {key: value for key, value in os.environ.items() if not key.endswith("_URL")}
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**environ, "PATH": path, "AGENTS": "till=till:Till", "PYTHONPATH": python_path(folder)},
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for (text, shown), output in zip(steps, done.stdout.split(END)[1:], strict=True):
        assert shown is None or fits(output, shown), f"{text}\nprinted\n{output}\nand not\n{shown}"
