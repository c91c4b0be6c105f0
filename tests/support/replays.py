"""Recording and replaying on a database, without processes: the test is the worker that runs what is copied."""

import json
from collections.abc import Callable
from typing import Any

from pumice.agents.turn import Work
from pumice.sessions import replays, snapshots
from pumice.sessions.replay_steps import Replayed, step
from pumice.sessions.replays import NewReplay
from pumice.sessions.restoring import restore
from pumice.sessions.snapshots import NewSnapshot
from tests.support.protocol import AGENT, Protocol, done, new

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


def told(report: dict[str, Any]) -> tuple[str, str]:
    """What a report of one session says: its status, and why it was not replayed."""
    [session] = report["sessions"]
    return report["status"], session["error"]
