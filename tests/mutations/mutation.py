"""One deliberate bug: where it is put, and the tests that must fail while it is there."""

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path

from tests.mutations import table

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Mutation:
    """A change that breaks a promise.

    proves: the guarantee it breaks, as "1" to "11", or "cells: <what is shared>" for a row of docs/sharing.md, or
    another promise in a few words. file: from the project's root. old: text that stands in it exactly once.
    new: what is put in its place. tests: pytest ids that must fail, each of them, while it is there.
    """

    proves: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def problem(self, root: Path = ROOT) -> str | None:
        """Why the row can't be applied any more; None when it can."""
        path = root / self.file
        if not path.is_file():
            return f"there is no {self.file}"
        found = path.read_text().count(self.old)
        if found != 1:
            return f"its old text stands {found} times in {self.file}"
        return "its new text is its old text" if self.new == self.old else None

    def apply(self, root: Path) -> None:
        """Put the bug into a copy of the project. Raises `ValueError` when it can't be applied."""
        if problem := self.problem(root):
            raise ValueError(problem)
        path = root / self.file
        path.write_text(path.read_text().replace(self.old, self.new))


def rows() -> dict[str, Mutation]:
    """The table: every mutation by its name, `<file of the table>-<number>`, counted from 1."""
    found: dict[str, Mutation] = {}
    for module in sorted(pkgutil.iter_modules(table.__path__), key=lambda one: one.name):
        part = importlib.import_module(f"{table.__name__}.{module.name}")
        found |= {f"{module.name}-{number}": row for number, row in enumerate(part.ROWS, 1)}
    return found
