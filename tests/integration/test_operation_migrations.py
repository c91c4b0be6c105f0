"""Migrating the states of many sessions, whatever the author's code does: it raises, hangs, or ends its worker."""

from collections.abc import Iterator
from typing import Any

import pytest

from pumice.agents.bounded_call import MOST_LOST, BoundedCalls
from pumice.sessions.operation_rows import LONGEST_PROBLEM
from pumice.sessions.operation_steps import TAKES
from tests.support.fleet_steps import LIMIT, Shop, counts
from tests.support.protocol import AGENT

IDLE = """
select count(*) as n from pg_stat_activity
where state like 'idle in transaction%%' and datname = current_database()
"""


@pytest.fixture
def hang() -> Iterator[None]:
    Shop.returns.clear()
    yield
    Shop.returns.set()


def test_a_migration_that_never_returns_fails_alone(fleet, hang):
    for session, plan in {"a": "hang", "b": "", "c": "hang"}.items():
        fleet.old(session, plan)
    operation = fleet.run("migrate")
    assert counts(operation) == ("done", 1, 0, 2)
    assert {one["detail"] for one in operation["problems"]} == {
        f"migrate_state took longer than its limit of {LIMIT} s."
    }
    assert fleet.protocol.session("b")["state_version"] == 2


def test_migrations_that_never_return_end_the_operation_before_they_take_all_threads(fleet, hang):
    for number in range(9):
        fleet.old(f"s{number}", "hang")
    operation = fleet.run("migrate")
    assert (operation["status"], operation["failed"]) == ("failed", MOST_LOST)
    assert operation["problems"][-1] == {
        "sessionId": None,
        "detail": "migrate_state does not return for too many sessions.",
    }


def test_nothing_is_locked_while_a_state_is_migrated_and_a_turn_that_comes_between_counts(fleet, looks):
    fleet.old("s", "first")
    seen = []

    def look() -> None:
        fleet.protocol.query("select 1 as n from sessions where id = 's' for update nowait")
        seen.append(fleet.protocol.query(IDLE)[0]["n"])
        if len(seen) == 1:
            fleet.old("s", "second")

    looks(look)
    assert counts(fleet.run("migrate")) == ("done", 1, 0, 0)
    row = fleet.protocol.session("s")
    assert (row["state"]["plan"], row["state_version"], seen) == ("second", 2, [0, 0])


class Dying(BoundedCalls):
    """Calls that end their process."""

    def call(self, *_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt


def test_a_session_that_ends_its_worker_is_given_up(fleet):
    for session in ("a", "b"):
        fleet.old(session, "")
    operation = fleet.start("migrate")
    fleet.operator.calls[AGENT] = Dying()
    for _ in range(TAKES):
        with pytest.raises(KeyboardInterrupt):
            fleet.step()
        fleet.protocol.query("update operations set checked_at = '-infinity'")  # as after five seconds
    fleet.operator.calls.clear()
    while fleet.step():
        pass
    found = fleet.read(operation)
    assert counts(found) == ("done", 1, 0, 1)
    assert found["problems"] == [{"sessionId": "a", "detail": f"Workers that were at it ended {TAKES} times."}]


@pytest.mark.parametrize("text", [r"a \x00 b", r"a \ud800 b", "x" * 100_000])
def test_whatever_the_code_says_is_noted(fleet, text):
    fleet.old("a", f"raise:{text}")
    operation = fleet.run("migrate")
    assert counts(operation) == ("done", 0, 0, 1)
    detail = operation["problems"][0]["detail"]
    assert "ValueError" in detail
    assert len(detail) <= LONGEST_PROBLEM
