"""A folder of wheels that hold nothing but metadata: a package index in which anything can be had in any version."""

import hashlib
import zipfile
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


class StubIndex:
    """Makes wheels in `folder`, and says what their hashes are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def add(self, name: str, version: str, requires: Iterable[str] = ()) -> str:
        """Make a wheel of a package that asks for `requires`, and return its SHA-256."""
        plain = canonicalize_name(name).replace("-", "_")
        wheel = self.folder / f"{plain}-{version}-py3-none-any.whl"
        info = f"{plain}-{version}.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            for file, text in {
                "METADATA": self._metadata(name, version, list(requires)),
                "WHEEL": "Wheel-Version: 1.0\nGenerator: stub\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                "RECORD": f"{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
            }.items():
                archive.writestr(zipfile.ZipInfo(f"{info}/{file}"), text)
        return hashlib.sha256(wheel.read_bytes()).hexdigest()

    def environ(self) -> dict[str, str]:
        """Variables that make pip and uv look here and nowhere else."""
        return {
            "PIP_CONFIG_FILE": "/dev/null",
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.folder),
            "UV_NO_CONFIG": "1",
            "UV_OFFLINE": "1",
            "UV_FIND_LINKS": str(self.folder),
        }

    @staticmethod
    def _metadata(name: str, version: str, requires: list[str]) -> str:
        extras = {"more", *(extra for one in requires for extra in extras_named_by(one))}
        lines = [f"Name: {name}", f"Version: {version}"]
        lines += [f"Provides-Extra: {extra}" for extra in sorted(extras)]
        lines += [f"Requires-Dist: {one}" for one in requires]
        return "\n".join(["Metadata-Version: 2.1", *lines, ""])


def extras_named_by(requirement: str) -> set[str]:
    """The extras under which a `Requires-Dist` counts: {"http2"} for `h2>=4; extra == "http2"`."""
    marker = str(Requirement(requirement).marker or "")
    return {part.split('"')[1] for part in marker.split("extra == ")[1:] if part.startswith('"')}
