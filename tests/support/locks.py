"""Reading the lock files."""

import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PRODUCTION, DEVELOPMENT = ROOT / "requirements.lock", ROOT / "requirements-dev.lock"
BUILD, INSTALLER = ROOT / "bin" / "build.lock", ROOT / "bin" / "installer.lock"


@dataclass(frozen=True)
class Locked:
    """One package of a lock."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.requirement.name

    @property
    def version(self) -> str:
        return next(iter(self.requirement.specifier)).version

    def wanted_here(self) -> bool:
        """Is it for this platform and Python?"""
        return self.requirement.marker is None or self.requirement.marker.evaluate()

    def asks_for(self) -> list[str]:
        """What the installed package asks for, extras included; nothing when it is not installed."""
        try:
            return metadata.requires(self.name) or []
        except metadata.PackageNotFoundError:
            return []


def read_lock(path: Path) -> dict[str, Locked]:
    """The packages of a lock by name."""
    entries = re.findall(
        r"^([a-z0-9][^\\\n]*?) \\\n((?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", path.read_text(), re.MULTILINE
    )
    locked = [Locked(Requirement(one), tuple(re.findall(r"[0-9a-f]{64}", hashes))) for one, hashes in entries]
    return {one.name: one for one in locked}
