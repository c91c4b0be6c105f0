"""The wheel, installed as an author has it: in an environment of its own, with what it declares and nothing else."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from importlib.util import cache_from_source
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.processes import OWN, ROOT

EXTRAS = ("pumice[dev]", "pytest")
"""What an author installs to work on an agent."""
OF_THIS_CHECKOUT = {*OWN, "PYTHONPATH", "VIRTUAL_ENV"}
"""Variables that would lead what is started back to this checkout, or to other servers."""


@dataclass(frozen=True)
class Installation:
    """An environment with the wheel in it."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    def environ(self, **settings: str) -> dict[str, str]:
        """The environment of a shell in which this installation is active."""
        inherited = {name: value for name, value in os.environ.items() if name not in OF_THIS_CHECKOUT}
        return {**inherited, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", **settings}

    def run(self, command: str, cwd: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run one of its commands to its end; `command` is split at spaces."""
        program, *arguments = command.split()
        return subprocess.run(
            [str(self.folder / "bin" / program), *arguments],
            cwd=cwd,
            env=self.environ(**settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    @contextmanager
    def running(self, command: str, cwd: Path, environ: Mapping[str, str]) -> Iterator[Path]:
        """Run one of its commands meanwhile. Gives the file that its output goes to."""
        program, *arguments = command.split()
        log = self.folder / f"{'-'.join([program, *arguments])}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(self.folder / "bin" / program), *arguments],
                cwd=cwd,
                env=self.environ(**environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield log
        finally:
            process.terminate()
            process.wait(30)


def build_wheel(folder: Path) -> Path:
    """Build this checkout's wheel into `folder`, without a network."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def install_wheel(wheel: Path, folder: Path) -> Installation:
    """Make an environment in `folder` with the wheel, as pip installs it, and what it and its extra `dev` ask for.

    Those packages are taken from the environment of these tests, file by file, so this needs no network.
    """
    venv.create(folder, with_pip=True)
    installation = Installation(folder)
    for name in sorted(_asked_for(*EXTRAS) - {"pumice"}):
        _copy(metadata.distribution(name), installation)
    done = installation.run(f"pip install --no-deps --no-index --disable-pip-version-check {wheel}", wheel.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    return installation


def _asked_for(*wanted: str) -> set[str]:
    """The names of the packages that these requirements lead to, themselves included."""
    found: set[tuple[str, str]] = set()
    left = [Requirement(one) for one in wanted]
    while left:
        requirement = left.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if (name, extra) not in found:
                found.add((name, extra))
                asked = map(Requirement, metadata.requires(name) or [])
                left += [one for one in asked if one.marker is None or one.marker.evaluate({"extra": extra})]
    return {name for name, _ in found}


def _copy(distribution: metadata.Distribution, to: Installation) -> None:
    """Install the files of a package that is installed here, with what Python has compiled of them."""
    for file in distribution.files or []:
        source, target = Path(str(file.locate())), Path(os.path.normpath(to.packages / file))
        if target.parent == to.python.parent and _is_script(source):
            target.write_text(source.read_text().replace(sys.executable, str(to.python)))
            target.chmod(0o755)
            continue
        for path, place in ((source, target), *_compiled(source, target)):
            if path.exists() and not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, place)


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _compiled(source: Path, target: Path) -> list[tuple[Path, Path]]:
    if source.suffix != ".py":
        return []
    return [(Path(cache_from_source(source)), Path(cache_from_source(target)))]
