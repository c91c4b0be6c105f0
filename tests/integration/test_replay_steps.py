"""The steps of a replay, with the test as the worker that runs what is copied."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest

from pumice.agents.states import FailureCode
from pumice.agents.turn import Work
from pumice.errors import Conflict, StoreAwayError, UnknownReplay
from pumice.sessions import replays, snapshots
from pumice.sessions.exporting import Export
from pumice.sessions.forks import NewFork, fork
from pumice.sessions.importing import import_file
from pumice.sessions.replay_steps import AT_ONCE, STALLED, Replayed, step
from pumice.sessions.replays import NewReplay
from pumice.sessions.restoring import restore
from pumice.sessions.snapshots import NewSnapshot
from tests.support.protocol import AGENT, Protocol, done, failed, new

TOO_MUCH = """
create function too_much() returns trigger language plpgsql as $$
begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$;
create trigger too_much before insert on sessions for each row execute function too_much();
"""
"""Ends the connection that makes a session."""
SERVED = {AGENT: Replayed(), "other": Replayed()}


def counted(work: Work, state: dict[str, Any]) -> dict[str, Any]:
    """What a turn leaves: one more than before."""
    return {"n": state.get("n", 0) + 1}


class Replays:
    """Recording, and replaying what was recorded."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.turn: Callable[[Work, dict[str, Any]], dict[str, Any]] = counted

    def play(self, session: str) -> list[str]:
        """Run what is due in a session. Returns the interactions' ids."""
        ran = []
        for claimed in self.protocol.claim(session):
            state = json.loads(claimed.state or "{}")
            outcomes = []
            for work in claimed.work:
                state = self.turn(work, state)
                outcomes.append(done(work, state=state, said=[f"{state['n']}"]))
            assert self.protocol.finish(claimed, *outcomes)
            ran += [work.id for work in claimed.work]
        return ran

    def record(self, session: str = "s", count: int = 1, **fields: Any) -> list[str]:
        self.protocol.accept(*(new(session, **fields) for _ in range(count)))
        return self.play(session)

    def restore(self, session: str, at: str) -> str:
        return restore(self.protocol.store, AGENT, session, at).interaction_id

    def snapshot(self, session: str, name: str) -> None:
        snapshots.take(self.protocol.store, AGENT, session, NewSnapshot(name))

    def start(self, *sessions: str, **options: Any) -> str:
        return replays.start(self.protocol.store, AGENT, NewReplay(sessions, **options))

    def step(self) -> str | None:
        """Take a step. Returns the session to wake."""
        found = step(self.protocol.store, SERVED)
        return None if found is None else found.session_id

    def report(self, replay: str) -> dict[str, Any]:
        return replays.report(self.protocol.store, AGENT, replay)

    def end(self, replay: str) -> dict[str, Any]:
        """Take steps, and run what they copy, to the end of a replay."""
        for _ in range(100):
            if self.report(replay)["status"] != "running":
                assert self.forks() == []
                return self.report(replay)
            woken = self.step()
            if woken is not None:
                self.play(woken)
        raise AssertionError(self.report(replay))

    def forks(self) -> list[str]:
        return [row["id"] for row in self.protocol.query("select id from sessions where id like '$replay%%'")]

    def check(self, *sessions: str, turns: int, **options: Any) -> None:
        """Replay sessions, in which nothing must come out differently."""
        report = self.end(self.start(*sessions, **options))
        assert (report["status"], report["turns"], report["changed"]) == ("done", turns, 0), report


@pytest.fixture
def played(protocol):
    return Replays(protocol)


def told(report: dict[str, Any]) -> tuple[str, str]:
    [session] = report["sessions"]
    return report["status"], session["error"]


def test_a_state_that_can_not_be_loaded_ends_the_replay(played):
    played.record(count=2)
    replay = played.start("s")
    woken = played.step()
    assert woken == played.forks()[0]
    claimed = played.protocol.claim_one(woken)
    waits = {"code": FailureCode.STATE, "retry_after": 30.0, "blocking": True}
    played.protocol.finish(claimed, failed(claimed.work[0], "retry", **waits))
    played.step()
    assert told(played.report(replay)) == ("failed", "no")
    assert played.forks() == []


def test_newer_code_is_waited_for_for_a_while(played):
    played.record()
    replay = played.start("s")
    woken = played.step()
    claimed = played.protocol.claim_one(woken)
    waits = {"code": FailureCode.STATE, "retry_after": 1.0, "blocking": True}
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


def test_restores_to_restores_are_replayed(played):
    first, second = played.record(count=2)
    back = played.restore("s", first)
    played.record()
    again = played.restore("s", back)
    played.record()
    played.restore("s", again)
    played.record()
    assert played.protocol.session()["state"] == {"n": 2}
    played.check("s", turns=5)
    played.check("s", turns=4, after=first)
    played.check("s", turns=3, after=second)
    played.check("s", turns=3, after=back)


def test_restores_to_the_beginning_are_replayed(played):
    played.record()
    played.protocol.query(
        "update sessions set state = null, version = 0, message_count = 0, keyframe = null, base = null"
    )
    played.protocol.query("delete from interactions")
    played.protocol.query("delete from messages")
    played.snapshot("s", "start")
    first, _ = played.record(count=2)
    played.restore("s", "start")
    played.record()
    assert played.protocol.session()["state"] == {"n": 1}
    played.check("s", turns=3)
    snapshots.delete(played.protocol.store, AGENT, "s", "start")
    played.check("s", turns=3)
    played.check("s", turns=2, after=first)


def test_restores_go_where_they_went_whatever_their_snapshot_names_now(played):
    played.record()
    played.snapshot("s", "A")
    played.record()
    played.restore("s", "A")
    played.record()
    played.check("s", turns=3)
    snapshots.delete(played.protocol.store, AGENT, "s", "A")
    played.check("s", turns=3)
    played.record(count=3)
    played.snapshot("s", "A")
    played.check("s", turns=6)


def test_a_fork_that_went_back_to_its_parents_snapshot_is_replayed(played):
    first = played.record()[0]
    played.snapshot("s", "A")
    second = played.record()[0]
    played.snapshot("s", "B")
    fork(played.protocol.store, AGENT, "s", NewFork("f"), at=second)
    played.record("f", 2)
    played.restore("f", "A")
    played.record("f")
    played.restore("f", "B")
    last = played.record("f")[0]
    played.check("f", turns=4)
    played.restore("f", first)
    played.record("f")
    played.check("f", turns=5)
    played.check("f", turns=1, after=last)
    snapshots.delete(played.protocol.store, AGENT, "s", "A")
    played.check("f", turns=5)


def test_restores_that_did_not_note_their_point_are_replayed(played):
    """As they were recorded before points were noted."""
    first = played.record()[0]
    played.snapshot("s", "A")
    fork(played.protocol.store, AGENT, "s", NewFork("f"))
    for session, at in (("s", "A"), ("f", "A"), ("s", first)):
        played.record(session)
        played.restore(session, at)
        played.record(session)
    only_at = "update interactions set payload = json_build_object('at', payload ->> 'at') where kind = 'restore'"
    played.protocol.query(only_at)
    played.check("s", "f", turns=7)
    snapshots.delete(played.protocol.store, AGENT, "s", "A")
    played.record()
    played.snapshot("s", "A")
    status, error = told(played.end(played.start("s")))
    assert (status, error) == ("failed", "The snapshot to which the session was restored names a later point by now.")


def test_a_fork_to_a_taken_id_says_so(played):
    played.record()
    fork(played.protocol.store, AGENT, "s", NewFork("f"))
    with pytest.raises(Conflict, match="There is a session 'f' already"):
        fork(played.protocol.store, AGENT, "s", NewFork("f"))


def test_an_imported_session_goes_back_where_the_exported_one_did(played):
    first, _ = played.record(count=2)
    played.restore("s", first)
    played.record()
    played.snapshot("s", "A")
    played.record()
    played.restore("s", "A")
    played.record()
    store = played.protocol.store
    content = b"".join(Export(lambda: nullcontext(store), AGENT, "s", None, None).lines())
    import_file(store, AGENT, "copy", BytesIO(content))
    [restored, _] = [row for row in played.protocol.interactions("copy") if row["kind"] == "restore"]
    assert restored["payload"]["at"] == str(played.protocol.interactions("copy")[0]["id"])
    played.check("copy", turns=5)
