"""Commit: a turn's effects together, once, and only under the lease."""

from datetime import UTC, datetime, timedelta

import pytest

from pumice.agents.context import Call, new_id
from pumice.sessions.commit import ClosedError, without
from tests.support.protocol import AGENT, done, failed, new, part


@pytest.fixture
def claimed(protocol):
    """A session with two interactions, claimed."""
    protocol.accept(new(), new(kind="chat", name=None))
    return protocol.claim_one()


def call(session="t", **fields):
    return Call(new_id(), session, "method", '{"args": []}', **fields)


def everything(protocol):
    return [
        protocol.query(f"select * from {table} order by 1, 2") for table in ("sessions", "interactions", "messages")
    ]


def test_all_effects_come_together(protocol, claimed):
    first, second = claimed.work
    outgoing = call()
    assert protocol.finish(
        claimed, done(first, state={"n": 1}, calls=[outgoing]), done(second, state={"n": 2}, said=["a", "b"])
    )
    session = protocol.session()
    assert (session["state"], session["version"], session["message_count"]) == ({"n": 2}, 2, 2)
    assert (session["lease_token"], session["lease_worker"], session["lease_until"]) == (None, None, None)
    assert protocol.messages() == [(0, "a"), (1, "b")]
    for row in protocol.interactions():
        assert (row["status"], row["attempts"], row["result"]) == ("done", 1, {"value": 1})
        assert row["woken_at"] <= row["started_at"] <= row["finished_at"]
    assert [str(row["id"]) for row in protocol.interactions("t")] == [outgoing.id]


def test_a_state_that_did_not_change_is_left_alone(protocol, claimed):
    protocol.finish(claimed, done(claimed.work[0], state={"n": 1}), done(claimed.work[1]))
    assert protocol.session()["state"] == {"n": 1}


def test_a_lost_lease_saves_nothing(protocol, rival, claimed):
    protocol.query("update sessions set lease_token = null")
    new_holder = rival.claim_one()
    before = everything(protocol)
    assert not protocol.finish(claimed, done(claimed.work[0], state={"n": 1}, said=["a"], calls=[call()]))
    assert everything(protocol) == before
    assert rival.finish(new_holder, done(new_holder.work[0], state={"n": 2}))


def test_a_turn_whose_interaction_was_closed_changes_nothing(protocol):
    protocol.accept(*(new(session) for session in "aabb"))
    one, other = protocol.claim("a", "b")
    protocol.query("update interactions set status = 'skipped', finished_at = now() where id = %s", one.work[1].id)
    before = everything(protocol)
    turns = [
        part(
            claimed,
            *(done(work, state={"n": place}, said=["x"], calls=[call()]) for place, work in enumerate(claimed.work)),
        )
        for claimed in (one, other)
    ]
    with pytest.raises(ClosedError) as refused:
        protocol.commit(*turns)
    assert everything(protocol) == before
    left = without(turns, refused.value.ids)
    assert [[outcome.work.id for outcome in kept.outcomes] for kept in left] == [
        [one.work[0].id],
        [work.id for work in other.work],
    ]
    assert protocol.commit(*left) == {one.lease, other.lease}
    assert (protocol.session("a")["state"], protocol.session("a")["lease_token"]) == ({"n": 0}, None)
    assert (protocol.statuses("a"), protocol.statuses("b")) == (["done", "skipped"], ["done", "done"])
    assert (protocol.session("b")["state"], protocol.session("b")["version"]) == ({"n": 1}, 2)
    assert (len(protocol.messages("a")), len(protocol.interactions("t"))) == (1, 3)


def test_a_commit_that_closes_meanwhile_lets_go_of_the_session(protocol, claimed):
    protocol.query("update interactions set status = 'cancelled', finished_at = now()")
    turns = [part(claimed, done(claimed.work[0], state={"n": 1}))]
    with pytest.raises(ClosedError) as refused:
        protocol.commit(*turns)
    protocol.commit(*without(turns, refused.value.ids))
    session = protocol.session()
    assert (session["state"], session["version"], session["lease_token"]) == (None, 0, None)
    assert protocol.statuses() == ["cancelled", "cancelled"]


def test_a_lost_session_does_not_hold_up_the_others(protocol):
    protocol.accept(*(new(session) for session in "abc"))
    sessions = protocol.claim("a", "b", "c")
    protocol.query("update sessions set lease_token = -1 where id = 'b'")
    held = protocol.commit(*(part(one, done(one.work[0], state={"n": 1}, said=["x"])) for one in sessions))
    assert {lease.session_id for lease in held} == {"a", "c"}
    assert [protocol.statuses(session) for session in "abc"] == [["done"], ["queued"], ["done"]]
    assert [protocol.messages(session) for session in "abc"] == [[(0, "x")], [], [(0, "x")]]


def test_a_lease_is_kept_until_the_last_commit(protocol, claimed):
    assert protocol.finish(claimed, done(claimed.work[0], said=["a"]), release=False)
    assert protocol.session()["lease_token"] == claimed.lease.token
    assert protocol.finish(claimed, done(claimed.work[1], said=["b"]))
    assert protocol.session()["lease_token"] is None
    assert protocol.messages() == [(0, "a"), (1, "b")]


def test_a_failure_keeps_its_error_and_the_state(protocol, claimed):
    protocol.finish(claimed, done(claimed.work[0], state={"n": 1}), failed(claimed.work[1]))
    row = protocol.interactions()[1]
    assert (row["status"], row["attempts"], row["errors"][0]["type"]) == ("failed", 1, "ValueError")
    assert row["reason"] == "failed after attempt 1: ValueError"
    assert protocol.session()["state"] == {"n": 1}


def test_a_retry_waits_and_comes_again_with_its_attempts(protocol, claimed):
    protocol.finish(claimed, failed(claimed.work[0], "retry", retry_after=60.0), done(claimed.work[1]))
    row = protocol.interactions()[0]
    assert (row["status"], row["attempts"], row["finished_at"]) == ("queued", 1, None)
    assert row["available_at"] == row["wake_at"] > datetime.now(UTC) + timedelta(seconds=50)
    assert protocol.claim("s") == []
    protocol.query("update interactions set available_at = now() where status = 'queued'")
    again = protocol.claim_one()
    assert again.work[0].attempts == 1
    protocol.finish(again, failed(again.work[0], "dead"))
    assert [error["attempt"] for error in protocol.interactions()[0]["errors"]] == [1, 2]
    assert protocol.statuses() == ["dead", "done"]


def test_a_blocking_retry_holds_the_session(protocol, claimed):
    protocol.finish(claimed, failed(claimed.work[0], "retry", retry_after=60.0, blocking=True))
    assert protocol.session()["blocked_until"] > datetime.now(UTC) + timedelta(seconds=50)
    assert protocol.claim("s") == []


def test_replacing_the_history_hides_what_was_said_before(protocol, claimed):
    replacing = done(claimed.work[1], said=["b", "c"])
    replacing.replaces_history = True
    protocol.finish(claimed, done(claimed.work[0], said=["a"]), replacing)
    session = protocol.session()
    assert (session["history_start"], session["message_count"]) == (1, 3)
    assert protocol.messages() == [(0, "a"), (1, "b"), (2, "c")]


def test_calls_make_their_targets_and_know_their_time(protocol, claimed):
    at = datetime.now(UTC) + timedelta(hours=1)
    calls = [call("s"), call("t", delay=30.0), call("u", at=at)]
    protocol.finish(claimed, done(claimed.work[0], calls=calls))
    now = protocol.interactions("s")[-1]
    assert (now["kind"], now["name"], now["payload"]) == ("call", "method", {"args": []})
    assert now["available_at"] < now["wake_at"]
    later = protocol.interactions("t")[0]
    assert later["available_at"] == later["wake_at"]
    assert later["available_at"] - later["accepted_at"] == timedelta(seconds=30)
    assert protocol.interactions("u")[0]["available_at"] == at
    assert [protocol.session(name)["temporary"] for name in "tu"] == [False, False]


def test_a_turn_prolongs_a_temporary_session(protocol):
    protocol.accept(new("t", temporary=True))
    protocol.query("update sessions set expires_at = now()")
    claimed = protocol.claim_one("t")
    protocol.finish(claimed, done(claimed.work[0]))
    assert protocol.session("t")["expires_at"] > datetime.now(UTC) + timedelta(seconds=50)


def test_a_commit_that_may_have_happened_happens_once(protocol, claimed):
    parts = [part(claimed, done(claimed.work[0], state={"n": 1}, said=["a"], calls=[call()]))]
    assert protocol.commit(*parts) == {claimed.lease}
    before = everything(protocol)
    assert protocol.commit(*parts, unsure=True) == {claimed.lease}
    assert everything(protocol) == before


def test_a_repeat_that_overtakes_the_first_try_is_saved_once(protocol, rival, claimed):
    one = part(claimed, done(claimed.work[0], said=["a"]), release=False)
    assert rival.commit(one) == {claimed.lease}
    assert protocol.commit(one) == set()
    assert protocol.messages() == [(0, "a")]


def test_a_commit_whose_predecessor_is_missing_is_refused(protocol, claimed):
    part(claimed, done(claimed.work[0], said=["lost"]), release=False)
    assert not protocol.finish(claimed, done(claimed.work[1], said=["b"]))
    assert protocol.messages() == []


def test_a_commit_that_did_not_happen_happens_when_it_is_repeated(protocol, claimed):
    parts = [part(claimed, done(claimed.work[0], said=["a"]))]
    assert protocol.commit(*parts, unsure=True) == {claimed.lease}
    assert protocol.messages() == [(0, "a")]


def test_a_deleted_session_takes_no_commit(protocol, claimed):
    protocol.query("delete from interactions")
    protocol.query("delete from sessions where agent_id = %s", AGENT)
    assert not protocol.finish(claimed, done(claimed.work[0], said=["a"], calls=[call()]))
    assert everything(protocol) == [[], [], []]


def test_usage_is_stored(protocol, claimed):
    outcome = done(claimed.work[0])
    outcome.usage = {"input_tokens": 5}
    protocol.finish(claimed, outcome)
    assert protocol.interactions()[0]["usage"] == {"input_tokens": 5}
