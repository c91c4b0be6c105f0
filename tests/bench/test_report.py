"""The table shows who took part, and holds Pumice to what those allow to tell."""

import pytest

from tests.bench.report import table
from tests.bench.run import Results
from tests.bench.stage import Sample


def results(workload: str, metric: str, **values: float) -> Results:
    found = Results()
    for name, value in values.items():
        found.add(workload, name, Sample({metric: value}))
    return found


def cells(found: Results, fronts: int = 1) -> dict[str, str]:
    """The row of the only metric, by the title of its column; the verdict's is empty."""
    head, _, row, *_ = table(found, fronts).splitlines()
    titles = [*head.split(), ""]
    starts = [head.index(title) for title in titles[:-1]]
    spans = zip(starts, [*starts[1:], None], strict=True)
    words = [row[start:end].strip() for start, end in spans]
    target, _, verdict = words[-1].partition("  ")
    return dict(zip(titles, [*words[:-1], target, verdict.strip()], strict=True))


def test_without_restate_nothing_is_said_of_it() -> None:
    row = cells(results("burst", "processed/s", baseline=100, pumice=1_050))
    assert row == {
        "workload": "burst",
        "metric": "processed/s",
        "echo": "",
        "baseline": "100",
        "pumice": "1,050",
        "/echo": "",
        "/baseline": "10.50",
        "target": "10 x baseline",
        "": "hit",
    }


@pytest.mark.parametrize(("restate", "verdict"), [(370, "hit"), (380, "MISS")])
def test_beside_restate_both_goals_must_be_reached(restate: float, verdict: str) -> None:
    row = cells(results("burst", "processed/s", baseline=100, restate=restate, pumice=1_050))
    assert (row["restate"], row["/restate"]) == (str(restate), f"{1_050 / restate:.2f}")
    assert (row["target"], row[""]) == ("10 x baseline, 2.8 x restate", verdict)


def test_two_fronts_have_goals_of_their_own_and_three_have_none() -> None:
    found = results("burst", "processed/s", baseline=100, restate=300, pumice=1_300)
    assert [(cells(found, fronts)["target"], cells(found, fronts)[""]) for fronts in (2, 3)] == [
        ("13 x baseline, 3.6 x restate", "hit"),
        ("", ""),
    ]
