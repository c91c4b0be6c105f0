"""Who runs when, and what a contender's batches add up to."""

from pathlib import Path

import pytest

from tests.bench.contenders.baseline import Baseline
from tests.bench.contenders.contender import Contender
from tests.bench.contenders.echo import Echo
from tests.bench.contenders.pumice import Pumice
from tests.bench.run import groups
from tests.bench.stack.servers import Servers
from tests.bench.stack.usage import Usage
from tests.bench.workloads import WORKLOADS, Workload


@pytest.fixture
def contenders() -> list[Contender]:
    servers = Servers("postgresql:///none", "redis://none", 1, 1)
    return [kind(servers, Path("none")) for kind in (Echo, Baseline, Pumice)]


def named(name: str) -> Workload:
    return next(workload for workload in WORKLOADS if workload.name == name)


def test_all_that_chat_run_at_once_and_others_one_after_the_other(contenders: list[Contender]) -> None:
    names = {
        name: [[one.name for one in group] for group in groups(named(name), contenders)] for name in ("chat", "burst")
    }
    assert names == {"chat": [["echo", "baseline", "pumice"]], "burst": [["baseline"], ["pumice"]]}
    assert groups(named("chat"), []) == []


def test_windows_of_one_name_add_up() -> None:
    first = Usage(1.0, 2, {"front": 0.5, "loader": 0.1}, {"front": 0.5}, strangers=0.2)
    second = Usage(3.0, 2, {"front": 0.5, "worker": 3.0}, {"front": 0.1, "worker": 1.0})
    both = first.followed_by(second)
    assert (both.wall, both.strangers) == (4.0, 0.2)
    assert both.seconds == {"front": 1.0, "loader": 0.1, "worker": 3.0}
    assert both.busiest == pytest.approx({"front": 0.2, "loader": 0.0, "worker": 0.75})
    assert both.cost(100) == pytest.approx(40.0)
