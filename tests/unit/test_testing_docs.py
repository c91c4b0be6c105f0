"""The programs in docs/testing.md are right."""

import pytest

from tests.support.documents import BLOCK
from tests.support.processes import ROOT

pytest_plugins = ["pytester"]
MANUAL = ROOT / "docs" / "testing.md"


def test_the_tests_of_the_manual_pass(pytester: pytest.Pytester) -> None:
    files = {one["note"].removeprefix("file: "): one["text"] for one in BLOCK.finditer(MANUAL.read_text())}
    assert list(files) == ["parcels.py", "test_parcels.py"]
    for name, text in files.items():
        (pytester.path / name).write_text(text)
    pytester.syspathinsert()
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=5)
