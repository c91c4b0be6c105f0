"""Running one turn of a leased session, with what it needs of the worker: messages, a large body, events, an end."""

import asyncio
from dataclasses import replace
from typing import Any

from pumice.agents.boundary import Interrupted, TurnScope, call_in_fresh_context, is_own_doing
from pumice.agents.context import Emit, History
from pumice.agents.failures import Failure, failure_of
from pumice.agents.live_session import LiveSession
from pumice.agents.messages import Message
from pumice.agents.states import RETRY, Kind
from pumice.agents.turn import Outcome, Work, drive, run_turn
from pumice.errors import StoreAwayError
from pumice.messaging.events import Event
from pumice.sessions.claim import ClaimedSession
from pumice.sessions.job_rows import read_job_memory
from pumice.sessions.loading import load_body, load_messages
from pumice.sessions.ticks import UNSERVED
from pumice_workers.interrupts import interrupted
from pumice_workers.question import Question
from pumice_workers.services import Services
from pumice_workers.session_run import SessionRun


class TurnRunner:
    """Runs turns with the services of one worker process."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def live(self, one: ClaimedSession) -> LiveSession:
        """The session in memory; its messages are read when an agent first looks at them."""
        spec = self._services.registry[one.lease.agent_id]

        def load() -> list[Message]:
            with self._services.connections.borrow() as store:
                return load_messages(store, one, spec.cls.history)

        history, version, zone = History(load), one.state_version, one.timezone
        return LiveSession(spec, one.lease.session_id, one.state, history, state_version=version, timezone=zone)

    def on_thread(self, run: SessionRun, work: Work) -> Outcome:
        """Run a turn whose handlers are sync, in a context of its own. Whatever leaves it is a failed outcome."""
        try:
            outcome: Outcome = call_in_fresh_context(drive, self._turn(run, work))
        except BaseException as error:
            return self._ended_by(run, work, error)
        return outcome

    async def on_loop(self, run: SessionRun, work: Work) -> Outcome:
        """Run a turn on the event loop. Whatever leaves it is a failed outcome; an interruption cancels it.

        Raises `asyncio.CancelledError` when the session's run itself is cancelled.
        """
        scope = TurnScope()
        turn = scope.run(asyncio.get_running_loop(), self._turn(run, work))
        run.run_turn_as(turn, scope)
        try:
            outcome: Outcome = await turn
        except BaseException as error:
            if is_own_doing(error) and run.interrupted_by is None and not isinstance(error, Interrupted):
                raise
            return self._ended_by(run, work, scope.failure or error)
        return outcome

    def _ended_by(self, run: SessionRun, work: Work, error: BaseException) -> Outcome:
        """The outcome of a turn that was interrupted, or out of which something came that `run_turn` let through."""
        if run.interrupted_by is not None and isinstance(error, Interrupted | asyncio.CancelledError):
            return interrupted(run, work)
        run.live.discard()
        handler = run.live.spec.handler(work.kind, work.name, work.payload)
        failure = failure_of(error, handler.policy if handler else None, work.attempts + 1)
        return Outcome(work, failure.status, failure=failure)

    async def _turn(self, run: SessionRun, work: Work) -> Outcome:
        if run.interrupted_by is not None:
            raise Interrupted
        try:
            if work.id in run.claimed.large_bodies:
                with self._services.connections.borrow() as store:
                    work = replace(work, body=load_body(store, work.id))
            if work.kind == Kind.JOB and work.name not in run.live.spec.jobs and self._is_in_newer_code(run, work):
                return Outcome(work, RETRY, failure=_unserved(work))
        except StoreAwayError as error:
            failure = failure_of(error, attempt=work.attempts + 1)
            return Outcome(work, failure.status, failure=failure)
        question = Question(self._services.events, run.lease, work)
        run.show_when_slow(question)
        outcome = await run_turn(run.live, work, self._emit(run, work, question))
        outcome.announced = question.shown
        return outcome

    def _is_in_newer_code(self, run: SessionRun, work: Work) -> bool:
        """Whether a job that this code does not have is one of the newest code's. Raises `StoreAwayError`."""
        with self._services.connections.borrow() as store:
            memory = read_job_memory(store, run.lease.agent_id, str(work.name))
        return memory is not None and memory.removed_at is None

    def _emit(self, run: SessionRun, work: Work, question: Question) -> Emit:
        lease, attempt = run.lease, work.attempts + 1

        def emit(kind: str, fields: dict[str, Any]) -> None:
            if run.interrupted_by is not None and kind == "delta":
                raise Interrupted
            if run.is_running(work) and not (kind == "data" and run.claimed.quiet):
                known = {"interactionId": work.id, "attempt": attempt}
                question.show()
                self._services.events.publish(Event(lease.agent_id, lease.session_id, kind, known | fields))

        return emit


def _unserved(work: Work) -> Failure:
    """Why a run waits for a worker of newer code."""
    told = f"this worker's code has no job {work.name!r}; it waits for one that has it"
    return Failure(RETRY, "UnknownJob", told, "", work.attempts, retry_after=UNSERVED, waits=True)
