"""What a worker does for an operation, step by step: to the sessions for which its condition holds, and to no other."""

from collections.abc import Iterator
from hashlib import sha512
from typing import Any, NamedTuple

import psycopg
import pytest

from pumice.agents.operations import read_operation
from pumice.sessions import deletion, operations
from pumice.sessions.deletion import delete_session
from pumice.sessions.queries import count_sessions, list_sessions
from pumice.sessions.staleness import refresh_stale
from tests.support.fleet_steps import Fleet, OtherShop, Shop, counts
from tests.support.protocol import AGENT, done, new

LARGE = "".join(sha512(str(number).encode()).hexdigest() for number in range(500))


def large_and_leased(fleet: Fleet, *plans: str) -> Any:
    """A session whose plans these were, the last told as a difference, in the middle of a turn."""
    for plan in plans:
        fleet.turn("s", plan=plan, pad=LARGE)
    row = fleet.protocol.query("select stale, state ->> 'plan' as plan from sessions where id = 's'")[0]
    assert row == {"stale": True, "plan": plans[0]}
    fleet.protocol.accept(new("s", "chat"))
    return fleet.protocol.claim_one("s")


def test_a_session_in_a_turn_is_judged_by_what_its_state_is(fleet):
    claimed = large_and_leased(fleet, "free", "pro")
    assert counts(fleet.run("delete", {"state.plan": "free"})) == ("done", 0, 0, 0)
    assert fleet.protocol.finish(claimed, done(claimed.work[0], state={"plan": "max", "pad": LARGE}))
    fleet.protocol.accept(new("s", "chat"))
    assert '"max"' in (fleet.protocol.claim_one("s").state or "")
    assert counts(fleet.run("delete", {"state.plan": "max"})) == ("done", 1, 0, 0)
    assert fleet.sessions() == []


def test_a_state_that_is_stale_when_its_turn_comes_is_asked_as_it_is(fleet):
    for session in ("a", "b"):
        fleet.turn(session, plan="free", pad=LARGE)
    fleet.after = lambda session: fleet.turn("b", plan="pro", pad=LARGE) if session == "a" else None
    assert counts(fleet.run("delete", {"state.plan": "free"})) == ("done", 1, 1, 0)
    assert fleet.sessions() == ["b"]


def test_lists_and_counts_see_the_state_of_a_session_in_a_turn(fleet):
    claimed = large_and_leased(fleet, "free", "pro")
    refresh_stale(fleet.store, AGENT)
    assert refresh_stale(fleet.store, AGENT) == 0
    for plan, expected in {"free": [], "pro": ["s"]}.items():
        where = read_operation(Shop, {"action": "delete", "where": {"state.plan": plan}}).condition
        assert [row.id for row in list_sessions(fleet.engine, AGENT, after="", limit=9, where=where)] == expected
        assert count_sessions(fleet.engine, AGENT, where) == len(expected)
    assert fleet.protocol.finish(claimed, done(claimed.work[0], state={"plan": "max", "pad": LARGE}))
    fleet.protocol.accept(new("s", "chat"))
    assert '"max"' in (fleet.protocol.claim_one("s").state or "")


@pytest.mark.parametrize("action", ["delete", "snapshot", "fork", "restore", "migrate"])
def test_one_for_which_the_condition_does_not_hold_any_more_is_left_alone(fleet, looks, action):
    for session in ("a", "b", "c"):
        fleet.old(session, "free")
    interaction = fleet.protocol.interactions("a")[0]["id"]
    options = {"snapshot": {"name": "x"}, "restore": {"at": str(interaction)}}.get(action, {})
    looks(lambda: fleet.after("a"))
    upgraded: list[bool] = []

    def upgrade(_session: str) -> None:
        if not upgraded:
            upgraded.append(True)
            fleet.protocol.query(
                "update sessions set state = %s, version = version + 1 where id = 'b'", '{"plan":"pro"}'
            )
            list(delete_session(fleet.protocol.store, AGENT, "c"))
            fleet.old("c", "free")

    fleet.after = upgrade
    operation = fleet.run(action, {"state.plan": "free"}, **options)
    assert upgraded
    done_, skipped, failed = counts(operation)[1:]
    assert (done_ + failed, skipped) == (1, 2)
    assert fleet.protocol.query("select state ->> 'plan' as plan from sessions where id = 'b'") == [{"plan": "pro"}]
    assert "c" in fleet.sessions()
    assert "fork-b" not in fleet.sessions()


def test_a_condition_that_can_not_be_asked_ends_the_operation_and_what_failed_before_stays_told(fleet):
    fleet.protocol.query(
        "insert into sessions (agent_id, id, state) values (%s, 's', %s)", AGENT, r'{"plan": "\ud800"}'
    )
    operation = fleet.start("snapshot", {"state.plan": "x"}, name="x")
    earlier = {"sessionId": "a", "detail": "before"}
    fleet.protocol.query(
        "update operations set problems = jsonb_build_array(jsonb_build_object('sessionId', 'a', 'detail', 'before'))"
    )
    assert fleet.step()
    found = fleet.read(operation)
    assert (found["status"], found["problems"][0]) == ("failed", earlier)
    assert found["problems"][1]["detail"].startswith("The condition can't be asked")
    assert not fleet.step()


def test_an_operation_that_the_code_does_not_know_any_more_keeps_what_failed_before(fleet):
    operation = fleet.start("snapshot", {"state.plan": "x"}, name="x")
    fleet.protocol.query(
        "update operations set problems = jsonb_build_array(jsonb_build_object('sessionId', 'a', 'detail', 'before'))"
    )
    other = Fleet(fleet.protocol, OtherShop)
    assert other.step()
    other.end()
    found = fleet.read(operation)
    assert [one["sessionId"] for one in found["problems"]] == ["a", None]
    assert found["status"] == "failed"


def test_deleting_what_is_gone_already_is_skipped(fleet):
    for session in ("a", "b"):
        fleet.turn(session)
    fleet.after = lambda session: list(delete_session(fleet.protocol.store, AGENT, "b")) if session == "a" else None
    assert counts(fleet.run("delete")) == ("done", 1, 1, 0)


class HalfDeleted(NamedTuple):
    """An operation, and the connection that holds the row of the session that it began to delete."""

    operation: str
    holder: psycopg.Connection[Any]


@pytest.fixture
def half_deleted(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Iterator[HalfDeleted]:
    """An operation that could only begin to delete a long session, whose row others hold."""
    monkeypatch.setattr(deletion, "ROWS", 2)
    for _ in range(6):
        fleet.turn("s")
    fleet.protocol.accept(*(new("s") for _ in range(5)))
    operation = fleet.start("delete", {"state.plan": ""})
    with psycopg.connect(fleet.protocol.settings.database_url) as other:
        fleet.after = lambda _: other.execute("select 1 as n from sessions where id = 's' for update")
        assert fleet.step()
        fleet.after = lambda _: None
        assert fleet.step()  # in vain
        yield HalfDeleted(operation, other)


def test_a_deletion_that_began_is_brought_to_its_end(fleet, half_deleted):
    assert counts(fleet.read(half_deleted.operation)) == ("running", 0, 0, 0)
    assert fleet.told == [("s", 2)]


def test_who_waits_is_told_and_nothing_stays(fleet, half_deleted):
    half_deleted.holder.rollback()
    while fleet.step():
        pass
    assert counts(fleet.read(half_deleted.operation)) == ("done", 1, 0, 0)
    assert sum(closed for _, closed in fleet.told) == 5
    assert (fleet.sessions(), fleet.protocol.query("select 1 as n from messages")) == ([], [])


def test_it_is_brought_to_its_end_even_if_the_operation_is_stopped(fleet, half_deleted):
    operations.stop(fleet.store, AGENT, half_deleted.operation)
    half_deleted.holder.rollback()
    while fleet.step():
        pass
    assert counts(fleet.read(half_deleted.operation)) == ("stopped", 1, 0, 0)
    assert fleet.sessions() == []


def test_operations_take_turns(fleet):
    for number in range(3):
        fleet.turn(f"s{number}")
    first, second = fleet.start("snapshot", name="one"), fleet.start("snapshot", name="two")
    fleet.step()
    fleet.step()
    assert [fleet.read(one)["done"] for one in (first, second)] == [3, 3]
