"""Running one interaction of a test's session by the worker's own code, and saving what it did as a commit does."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from pumice.agents.context import History
from pumice.agents.failures import failure_of
from pumice.agents.handlers import Handler
from pumice.agents.json_text import loads
from pumice.agents.live_session import LiveSession
from pumice.agents.messages import Message
from pumice.agents.spec import AgentSpec
from pumice.agents.turn import Outcome, Work, drive, run_turn
from pumice.testing.interactions import LONG_AGO, RecordedInteraction, StoredSession
from pumice.testing.limits import run_on_loop, run_on_thread
from pumice.testing.schedules import change, move
from pumice.testing.store import InMemoryStore

H = TypeVar("H", bound=Handler)
WITHOUT_HANDLER = 60.0
"""The limit, in seconds, of a turn whose handler its class no longer has."""
NO_LIMIT = float(86_400 * 365)


class Turns:
    """Runs turns on a store's sessions. time_limits: whether they end when their handler's `timeout` is over."""

    def __init__(self, store: InMemoryStore, *, time_limits: bool) -> None:
        self._store = store
        self._time_limits = time_limits
        self._spec = store.spec if time_limits else _without_limits(store.spec)

    def run(self, one: RecordedInteraction) -> None:
        """Make one attempt at a queued interaction, which may leave it queued for another."""
        raised: list[BaseException] = []
        outcome = self._attempt(one, raised)
        one.raised = raised[-1] if raised else None
        self._save(one, outcome)

    def _attempt(self, one: RecordedInteraction, raised: list[BaseException]) -> Outcome:
        session = one.session
        handler = self._spec.handler(one.kind, one.name, one.payload)
        on_loop = handler is not None and self._spec.needs_loop(handler)
        limit = handler.policy.timeout if handler else WITHOUT_HANDLER
        work = Work(
            one.id, one.seq, one.kind, one.name, one.payload, one.body, one.attempts, one.accepted_at, one.scheduled_for
        )
        history = History(lambda: _newest(session, self._spec))
        live = LiveSession(self._spec, session.id, session.state, history, timezone=session.timezone)
        session.deltas = []
        over = False

        def emit(kind: str, fields: Mapping[str, Any]) -> None:
            if over:
                return
            if kind == "delta":
                session.deltas.append(fields["content"])
            else:
                session.sent.append(fields["data"])

        turn = run_turn(live, work, emit, raised.append)
        try:
            if on_loop:
                return run_on_loop(turn, limit if self._time_limits else None)
            return run_on_thread(turn, limit) if self._time_limits else drive(turn)
        except TimeoutError as error:
            failure = failure_of(error, handler.policy if handler else None, one.attempts + 1, timed_out=True)
            return Outcome(work, failure.status, failure=failure)
        except BaseException as error:
            raised.append(error)
            return Outcome(work, "failed", failure=failure_of(error, attempt=one.attempts + 1))
        finally:
            over = True

    def _save(self, one: RecordedInteraction, outcome: Outcome) -> None:
        session, now = one.session, self._store.now
        session.state = session.state if outcome.state is None else outcome.state
        session.usage = outcome.usage
        session.blocked_until = LONG_AGO
        kept = [] if outcome.replaces_history else session.messages
        session.messages = [*kept, *outcome.messages]
        one.attempts = session.attempts = one.attempts + 1
        one.result, one.reason = outcome.result, outcome.reason
        if outcome.failure is not None:
            one.errors.append(outcome.failure)
        if outcome.status == "retry" and outcome.failure is not None:
            one.available_at = now + timedelta(seconds=outcome.failure.retry_after)
            if outcome.failure.blocking:
                session.blocked_until = one.available_at
        else:
            one.status = outcome.status
            self._store.finish(one)
        session.emitted += [(event.type, loads(event.payload)) for event in outcome.emitted]
        for call in outcome.calls:
            self._store.accept_call(session, call)
        if outcome.moves:
            move(self._store, session, outcome.timezone)
        change(self._store, session, outcome.schedules, one)


def _newest(session: StoredSession, spec: AgentSpec) -> list[Message]:
    return session.messages[max(len(session.messages) - spec.cls.history, 0) :]


def _without_limits(spec: AgentSpec) -> AgentSpec:
    return replace(
        spec,
        hooks={name: _unlimited(one) for name, one in spec.hooks.items()},
        addresses={name: [_unlimited(one) for one in group] for name, group in spec.addresses.items()},
        jobs={name: _unlimited(one) for name, one in spec.jobs.items()},
        methods={name: _unlimited(one) for name, one in spec.methods.items()},
    )


def _unlimited(handler: H) -> H:
    return replace(handler, policy=replace(handler.policy, timeout=NO_LIMIT))
