"""The table of deliberate bugs is true: each can still be put in, and the tests that must see it are there."""

import ast
import functools
from collections import Counter
from pathlib import Path

import pytest

from tests.mutations.mutation import ROOT, Mutation, rows

ROWS = rows()


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in ROWS.items()])
def test_it_can_be_applied_and_its_tests_are_there(row: Mutation) -> None:
    assert row.problem() is None
    assert row.tests
    for test in row.tests:
        file, _, name = test.partition("::")
        assert (ROOT / file).is_file(), f"there is no {file}"
        assert name.partition("[")[0] in _tests(ROOT / file), f"{file} has no test {name}"


def test_each_guarantee_has_two() -> None:
    counts = Counter(row.proves for row in ROWS.values())
    assert {str(number): counts[str(number)] for number in range(1, 11) if counts[str(number)] < 2} == {}


@functools.cache
def _tests(file: Path) -> set[str]:
    """The tests of a file, those of classes as `TestClass::test_name`."""
    found = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
            found |= {node.name}
    return found
