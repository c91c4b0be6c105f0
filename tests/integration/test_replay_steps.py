"""The steps of a replay, with the test as the worker that runs what is copied."""

import json
from dataclasses import replace

import pytest

from pumice.agents.states import FailureCode
from pumice.errors import Conflict, StoreAwayError, UnknownReplay
from pumice.sessions import replays
from pumice.sessions.forks import NewFork, fork
from pumice.sessions.replay_steps import AT_ONCE, STALLED, Replayed, step
from pumice.sessions.replays import NewReplay
from tests.support.protocol import AGENT, done, failed, new
from tests.support.replays import told

TOO_MUCH = """
create function too_much() returns trigger language plpgsql as $$
begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$;
create trigger too_much before insert on sessions for each row execute function too_much();
"""
"""Ends the connection that makes a session."""


def test_a_state_that_can_not_be_loaded_ends_the_replay(played):
    played.record(count=2)
    replay = played.start("s")
    woken = played.step()
    assert woken == played.forks()[0]
    claimed = played.protocol.claim_one(woken)
    waits = {"code": FailureCode.STATE, "retry_after": 30.0, "blocking": True, "waits": True}
    played.protocol.finish(claimed, failed(claimed.work[0], "retry", **waits))
    played.step()
    assert told(played.report(replay)) == ("failed", "no")
    assert played.forks() == []


def test_newer_code_is_waited_for_for_a_while(played):
    played.record()
    replay = played.start("s")
    woken = played.step()
    claimed = played.protocol.claim_one(woken)
    waits = {"code": FailureCode.STATE, "retry_after": 1.0, "blocking": True, "waits": True}
    played.protocol.finish(claimed, failed(claimed.work[0], "retry", **waits))
    played.step()
    assert played.report(replay)["status"] == "running"
    late = "update interactions set accepted_at = now() - interval '61 s' where session_id = %s"
    played.protocol.query(late, woken)
    played.step()
    assert told(played.report(replay)) == ("failed", "no")


def test_what_is_too_much_for_a_connection_comes_after_the_others(played):
    for name in ("a", "b"):
        played.record(name)
    first, second = played.start("a"), played.start("b")
    played.protocol.query(TOO_MUCH)
    try:
        with pytest.raises(StoreAwayError):
            played.step()
    finally:
        played.protocol.query("drop function too_much cascade")
    assert played.report(first)["status"] == "running"
    assert played.step() == f"$replay:{second}:1"


def test_a_turn_that_is_tried_again_does_not_end_it(played):
    played.record()
    replay = played.start("s")
    woken = played.step()
    claimed = played.protocol.claim_one(woken)
    played.protocol.finish(claimed, failed(claimed.work[0], "retry", retry_after=0.0, blocking=True))
    played.step()
    played.play(woken)
    assert played.end(replay)["status"] == "done"


def test_a_replay_in_which_nothing_ends_is_given_up(played):
    played.record(count=2)
    replay = played.start("s")
    woken = played.step()
    played.step()
    assert played.report(replay)["status"] == "running"
    late = f"update interactions set accepted_at = now() - interval '{STALLED + 1} s' where session_id = %s"
    played.protocol.query(late, woken)
    played.step()
    assert told(played.report(replay)) == ("failed", "No turn of it has ended for 60 minutes.")


def test_one_agents_replays_keep_no_others_waiting(played):
    names = [f"s{number}" for number in range(AT_ONCE + 2)]
    for name in names:
        played.record(name)
    replay = played.start(*names)
    played.record("o", agent_id=AGENT)
    played.protocol.query("update sessions set agent_id = 'other' where id = 'o'")
    played.protocol.query("update interactions set agent_id = 'other' where session_id = 'o'")
    replays.start(played.protocol.store, "other", NewReplay(("o",)))
    for _ in range(AT_ONCE + 1):
        played.step()
    status = "select agent_id, count(*) as n from replay_sessions where status = 'running' group by 1 order by 1"
    assert [tuple(row.values()) for row in played.protocol.query(status)] == [(AGENT, AT_ONCE), ("other", 1)]
    assert played.report(replay)["status"] == "running"


def test_a_replay_is_stopped(played):
    for name in ("a", "b"):
        played.record(name)
    replay = played.start("a", "b")
    played.step()
    assert len(played.forks()) == 1
    report = replays.stop(played.protocol.store, AGENT, replay)
    assert (report["status"], report["sessionsDone"]) == ("stopped", 2)
    assert played.forks() == []
    assert played.step() is None
    assert replays.stop(played.protocol.store, AGENT, replay) == report
    with pytest.raises(UnknownReplay):
        replays.stop(played.protocol.store, "other", replay)


def test_what_nobody_foresaw_ends_one_replay_and_is_not_told(played):
    played.record("a")
    replay = played.start("a")
    played.play(played.step() or "")
    step(played.protocol.store, {AGENT: Replayed(ignored=(5,))})  # type: ignore[arg-type]
    assert told(played.report(replay))[0] == "failed"
    assert "The log of the worker" in told(played.report(replay))[1]
    assert played.forks() == []
    played.check("a", turns=1)


def test_a_payload_with_a_nul_is_replayed(played):
    played.record(payload='{"text": "a\\u0000b", "at": "\\u0000"}')
    played.check("s", turns=1)


def test_a_recording_with_half_a_surrogate_pair_is_kept_as_it_is(played):
    recording = '{"model": [], "tools": [{"id": "a", "name": "half", "result": "\\ud800"}]}'
    played.protocol.accept(new())
    claimed = played.protocol.claim_one()
    played.protocol.finish(claimed, replace(done(claimed.work[0], state={"n": 1}), recording=recording))
    played.start("s")
    fork = played.protocol.claim_one(played.step())
    assert json.loads(fork.work[0].answers or "") == json.loads(recording)


def test_ids_of_earlier_interactions_are_no_difference(played):
    played.turn = lambda work, state: {"n": 0, "ids": [*state.get("ids", ()), work.id]}
    played.record(count=3)
    played.check("s", turns=3)


def test_a_copy_that_took_its_worker_with_it_is_a_difference(played):
    played.record()
    replay = played.start("s")
    woken = played.step()
    played.protocol.query(
        "update interactions set status = 'dead', finished_at = now() where session_id = %s and status = 'queued'",
        woken,
    )
    report = played.end(replay)
    assert (report["status"], report["changed"]) == ("done", 1)


def test_a_fork_to_a_taken_id_says_so(played):
    played.record()
    fork(played.protocol.store, AGENT, "s", NewFork("f"))
    with pytest.raises(Conflict, match="There is a session 'f' already"):
        fork(played.protocol.store, AGENT, "s", NewFork("f"))
