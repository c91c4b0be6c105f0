"""Authors' modules that have the name of a package that Pumice needs, and would be imported in its place."""

import re
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path

from pumice.errors import DeclarationError

NAME = re.compile(r"[A-Za-z0-9._-]+")
"""A distribution's name, at the start of a requirement (PEP 508)."""


def check_hidden_packages() -> None:
    """Raise `DeclarationError` if a module of the working directory hides a package that Pumice needs.

    The working directory comes first where modules are looked for, so a `redis.py` in it would be imported wherever
    Pumice imports redis.
    """
    here = Path.cwd()
    installed = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    if str(here) in installed:
        return
    doubled = {name: path for name, path in _modules(here) if PathFinder.find_spec(name, installed)}
    for name in sorted(doubled and _needed() & doubled.keys()):
        what = f"hides the package {name}, which Pumice needs: give it another name"
        raise DeclarationError(str(doubled[name].relative_to(here)), what)


def _modules(folder: Path) -> Iterator[tuple[str, Path]]:
    """The names that can be imported from a folder, with their files."""
    for path in folder.glob("*.py"):
        yield path.stem, path
    for path in folder.glob("*/__init__.py"):
        yield path.parent.name, path


def _needed() -> set[str]:
    """The names under which what Pumice asks for, its extras included, is imported."""
    found: set[str] = set()
    left = [_plain(one) for one in metadata.requires("pumice") or []]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [_plain(one) for one in _requires(name) if "extra ==" not in one]
    owners = metadata.packages_distributions()
    return {module for module, names in owners.items() if found & {_plain(name) for name in names}}


def _requires(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # an extra that is not installed, or for another platform
        return []


def _plain(requirement: str) -> str:
    """The normalised name of the distribution that a requirement names (PEP 503)."""
    found = NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""
