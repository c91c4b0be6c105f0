"""The programs in docs/testing.md and docs/jobs.md are right."""

import pytest

from tests.support.documents import BLOCK
from tests.support.processes import ROOT

pytest_plugins = ["pytester"]
MANUALS = [
    ("testing.md", ["parcels.py", "test_parcels.py"], 5),
    ("jobs.md", ["newsletter.py", "test_newsletter.py"], 2),
]


@pytest.mark.parametrize(("manual", "names", "passed"), MANUALS, ids=str)
def test_the_tests_of_the_manual_pass(pytester: pytest.Pytester, manual: str, names: list[str], passed: int) -> None:
    found = [one for one in BLOCK.finditer((ROOT / "docs" / manual).read_text()) if one["note"]]
    files = {one["note"].removeprefix("file: "): one["text"] for one in found}
    assert list(files) == names
    for name, text in files.items():
        (pytester.path / name).write_text(text)
    pytester.syspathinsert()
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=passed)
