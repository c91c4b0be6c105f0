"""docs/sharing.md, "What is shared, and what bounds it": the tests that it names are there."""

import re

import pytest

from tests.mutations.mutation import ROOT

NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", (ROOT / "docs/sharing.md").read_text())))


@pytest.mark.parametrize("name", NAMED)
def test_what_it_names_is_there(name: str) -> None:
    file, _, test = name.partition("::")
    assert (ROOT / file).exists()
    assert not test or re.search(rf"^\s*(async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE)
