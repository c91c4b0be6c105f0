"""Erasing a session while others make forks of it, and after an interruption: it is all or it says what is left."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from pumice.agents.operations import read_operation
from pumice.errors import Conflict, StoreAwayError, UnknownSession
from pumice.sessions import operations
from pumice.sessions.deletion import Deleted, delete_session
from pumice.sessions.delivery_log import Recorded, write
from pumice.sessions.erasure import erase
from pumice.sessions.forks import NewFork, fork
from tests.support.fleet_steps import Fleet, Shop
from tests.support.protocol import AGENT

PERSON = "person-4711"


def erased(fleet: Fleet, session: str, *, forks: bool = False, tell: Any = lambda *_: None) -> dict[str, Any]:
    return erase(fleet.protocol.store, AGENT, session, forks=forks, tell=tell)


def forked(fleet: Fleet, session: str, name: str, at: str | None = None) -> None:
    fork(fleet.protocol.store, AGENT, session, NewFork(name), at=at)


def told(fleet: Fleet, word: str) -> list[str]:
    """The tables in which a word stands."""
    tables = ("sessions", "messages", "interactions", "operations", "replays", "replay_sessions", "snapshots")
    return [
        table
        for table in tables
        if fleet.protocol.query(f"select 1 as n from {table} t where strpos(t::text, %s) > 0", word)
    ]


def once(function: Callable[[], None]) -> Callable[[str, Deleted], None]:
    """Call a function when the first session is gone."""
    called: list[bool] = []

    def tell(_session: str, _deleted: Deleted) -> None:
        if not called:
            called.append(True)
            function()

    return tell


def test_repeated_deliveries_go_too(fleet):
    fleet.turn("told")
    one = Recorded(str(uuid4()), AGENT, "in", "repeated", "POST", "/", [], PERSON.encode(), 11, session_id="told")
    write(fleet.protocol.store, [one], {})
    noted = "select count(*) as n from deliveries where agent_id = %s"
    assert fleet.protocol.query(noted, AGENT) == [{"n": 1}]
    assert erased(fleet, "told")["sessions"] == ["told"]
    assert fleet.protocol.query(noted, AGENT) == [{"n": 0}]


def test_what_a_session_shares_with_others_is_not_taken_for_its_forks(fleet):
    fleet.turn("parent")
    inherited = str(fleet.protocol.interactions("parent")[0]["id"])
    for name in ("one", "other"):
        forked(fleet, "parent", name)
        fleet.turn(name)
    list(delete_session(fleet.protocol.store, AGENT, "parent"))
    forked(fleet, "one", "of-one", at=inherited)
    assert erased(fleet, "one", forks=True)["sessions"] == ["one"]
    assert {"other", "of-one"} <= set(fleet.sessions())
    fleet.turn("other", plan="still here")
    assert erased(fleet, "parent", forks=True)["sessions"] == ["of-one", "other", "parent"]
    assert fleet.sessions() == []


def test_sessions_of_one_name_are_erased_with_what_earlier_deletions_left(fleet):
    for name in ("first", "second"):
        fleet.turn("s", plan="secret")
        forked(fleet, "s", name)
        list(delete_session(fleet.protocol.store, AGENT, "s"))
    fleet.turn("s", plan="secret")
    assert erased(fleet, "s", forks=True)["sessions"] == ["first", "s", "second"]
    assert fleet.sessions() == []


def test_a_fork_that_is_made_meanwhile_is_named(fleet):
    fleet.turn(PERSON)
    forked(fleet, PERSON, "$replay:x")
    with pytest.raises(Conflict, match="was deleted") as caught:
        erased(fleet, PERSON, tell=once(lambda: forked(fleet, PERSON, "meanwhile")))
    assert caught.value.members["forks"] == ["meanwhile"]
    found = erased(fleet, PERSON, forks=True)
    assert found["sessions"] == ["meanwhile", PERSON]
    assert (fleet.sessions(), told(fleet, PERSON)) == ([], [])


def test_forks_that_are_made_meanwhile_go_too(fleet):
    fleet.turn(PERSON)
    forked(fleet, PERSON, "child")
    found = erased(fleet, PERSON, forks=True, tell=once(lambda: forked(fleet, PERSON, "meanwhile")))
    assert found["sessions"] == ["child", "meanwhile", PERSON]
    assert (fleet.sessions(), told(fleet, PERSON)) == ([], [])


def reported(fleet: Fleet, detail: str) -> str:
    """An ended operation that names the session, and another one's problem that does. Returns its id."""
    operation = operations.start(fleet.store, AGENT, _wanted(), 1)
    problems = [{"sessionId": PERSON, "detail": "no"}, {"sessionId": "other", "detail": detail}]
    fleet.protocol.query(
        "update operations set problems = %s::jsonb, position = %s, status = 'done', finished_at = now() where id = %s",
        json.dumps(problems),
        PERSON,
        operation,
    )
    return operation


def _wanted() -> Any:
    where = {"id": {"in": [PERSON, "other"]}, "metadata.x": {"a": [PERSON]}}
    return read_operation(Shop, {"action": "snapshot", "name": PERSON, "where": where})


def test_operations_and_replays_do_not_tell_of_it_any_more(fleet):
    fleet.turn(PERSON)
    operation = reported(fleet, f"There is a session 'copy-{PERSON}' already.")
    replay = json.dumps({"sessions": [PERSON, "other"]})
    fleet.protocol.query("insert into replays (id, agent_id, request) values (%s, %s, %s)", uuid4(), AGENT, replay)
    erased(fleet, PERSON)
    assert told(fleet, PERSON) == []
    found = fleet.read(operation)
    assert found["problems"] == [{"sessionId": "other", "detail": "There is a session 'copy-$erased' already."}]
    assert found["request"]["where"]["id"] == {"in": ["$erased", "other"]}


def test_an_operation_that_ends_does_not_tell_where_it_was(fleet):
    fleet.turn(PERSON)
    assert fleet.run("snapshot", name="x")["done"] == 1
    erased(fleet, PERSON)
    assert told(fleet, PERSON) == []


def test_what_was_interrupted_leaves_no_trace_and_can_be_repeated(fleet):
    fleet.turn(PERSON)
    reported(fleet, PERSON)

    def lose() -> None:
        raise StoreAwayError("gone")

    with pytest.raises(StoreAwayError):
        erased(fleet, PERSON, tell=once(lose))
    assert told(fleet, PERSON) == []
    reported(fleet, PERSON)
    assert erased(fleet, PERSON)["sessions"] == [PERSON]
    assert told(fleet, PERSON) == []
    with pytest.raises(UnknownSession):
        erased(fleet, PERSON)
