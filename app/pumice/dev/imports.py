"""Which files an import reads, those of modules that fail included."""

import contextlib
import importlib.util
import site
import sys
import sysconfig
import time
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Self, cast

import pumice
from pumice.dev.files import Signature, signature

_FRESH = 2.0
"""Seconds after a change in which a cached compilation may be that of the version before (see `_distrust_cache`)."""


class ImportRecorder:
    """Notes the author's files that are imported while it is in use, with the signature each had just before.

    The author's are all that belong neither to Python, nor to an installed package, nor to Pumice.
    """

    def __init__(self) -> None:
        self.files: dict[str, Signature] = {}
        self.missing: dict[str, Signature] = {}
        self._foreign = foreign_folders()

    def __enter__(self) -> Self:
        sys.meta_path.insert(0, self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Take part in an import, as `sys.meta_path` asks: let the other finders find, and note what they found."""
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            if find is not None and (spec := find(name, path)) is not None:
                self._note(spec)
                return cast(ModuleSpec, spec)
        self._note_missing(name, path)
        return None

    def is_authors(self, file: str) -> bool:
        """Whether `file` is one of the author's own."""
        path = Path(file).absolute()
        return not (file.startswith("<") or any(path.is_relative_to(folder) for folder in self._foreign))

    def _note(self, spec: ModuleSpec) -> None:
        file = str(Path(spec.origin).absolute()) if spec.has_location and spec.origin else None
        if file and file not in self.files and self.is_authors(file):
            self.files[file] = signature(file)
            _distrust_cache(spec)

    def _note_missing(self, name: str, path: Sequence[str] | None) -> None:
        """Note where the module would be, were it there."""
        last = name.rpartition(".")[2]
        for folder in sys.path if path is None else path:
            for place in (Path(folder or ".").absolute() / f"{last}.py", Path(folder or ".").absolute() / last):
                if self.is_authors(str(place)):
                    self.missing[str(place)] = signature(place)


def foreign_folders() -> set[Path]:
    """The folders of Python, of installed packages and of Pumice itself."""
    standard = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    zipped = [entry for entry in sys.path if entry.endswith(".zip")]
    installed = [*site.getsitepackages(), site.getusersitepackages()]
    ours = [folder for name in ("pumice", "pumice_workers") for folder in _package_folders(name)]
    found = {Path(folder) for folder in [*standard, *zipped, *installed, *ours] if folder}
    return found | {folder.resolve() for folder in found}


def _package_folders(name: str) -> list[str]:
    if name == pumice.__name__:
        return list(pumice.__path__)
    spec = importlib.util.find_spec(name)
    return list(spec.submodule_search_locations or []) if spec else []


def _distrust_cache(spec: ModuleSpec) -> None:
    """Remove the compilation of a source that has just changed.

    Python recognises the source of a compilation by its size and the second of its change: a file that was saved
    twice within a second, at the same size, would be loaded as it was first.
    """
    with contextlib.suppress(OSError, TypeError):
        if spec.cached and time.time() - Path(str(spec.origin)).stat().st_mtime < _FRESH:
            Path(spec.cached).unlink()
