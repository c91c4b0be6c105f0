"""Running one turn of a leased session, with what it needs of the worker: messages, a large body, events, an end."""

import asyncio
from dataclasses import replace
from typing import Any

from app.agents.context import Emit, History
from app.agents.failures import failure_of
from app.agents.messages import Message
from app.agents.turn import LiveSession, Outcome, Work, drive, run_turn
from app.errors import StoreAwayError
from app.events import Event
from app.sessions.claim import ClaimedSession, load_body, load_messages
from workers.interrupts import Interrupted, interrupted
from workers.parts import Parts
from workers.runs import SessionRun


class Execution:
    """Runs turns with the parts of one worker process."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def live(self, one: ClaimedSession) -> LiveSession:
        """The session in memory; its messages are read when an agent first looks at them."""
        spec = self._parts.registry[one.lease.agent_id]

        def load() -> list[Message]:
            with self._parts.lanes.borrow() as lane:
                return [Message(row.role, row.content, row.data) for row in load_messages(lane, one, spec.cls.history)]

        return LiveSession(spec, one.lease.session_id, one.state, History(load))

    def on_thread(self, run: SessionRun, work: Work) -> Outcome:
        """Run a turn whose handlers are sync; what `run_turn` does not answer for becomes a failed outcome too."""
        try:
            return drive(self._turn(run, work))
        except Interrupted:
            return interrupted(run, work)
        except Exception as error:
            run.live.discard()
            return Outcome(work, "failed", failure=failure_of(error, attempt=work.attempts + 1))

    async def on_loop(self, run: SessionRun, work: Work) -> Outcome:
        """Run a turn on the event loop; an interruption cancels it. Raises `asyncio.CancelledError` for any other."""
        run.turn_task = asyncio.ensure_future(self._turn(run, work))
        try:
            return await run.turn_task
        except (asyncio.CancelledError, Interrupted):
            if run.interrupted_by is None:
                raise
            return interrupted(run, work)

    async def _turn(self, run: SessionRun, work: Work) -> Outcome:
        if run.interrupted_by is not None:
            raise Interrupted
        try:
            if work.id in run.claimed.large_bodies:
                with self._parts.lanes.borrow() as lane:
                    work = replace(work, body=load_body(lane, work.id))
        except StoreAwayError as error:
            failure = failure_of(error, attempt=work.attempts + 1)
            return Outcome(work, failure.status, failure=failure)
        return await run_turn(run.live, work, self._emit(run, work))

    def _emit(self, run: SessionRun, work: Work) -> Emit:
        lease, attempt = run.lease, work.attempts + 1

        def emit(kind: str, fields: dict[str, Any]) -> None:
            if run.interrupted_by is not None and kind == "delta":
                raise Interrupted
            if not run.lost and run.current is not None and run.current.id == work.id:
                known = {"interactionId": work.id, "attempt": attempt}
                self._parts.events.publish(Event(lease.agent_id, lease.session_id, kind, known | fields))

        return emit
