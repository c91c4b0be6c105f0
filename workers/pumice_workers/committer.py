"""The committer: finished turns of all threads of a worker process, committed in groups, then told to clients."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import orjson
import psycopg

from pumice.agents.failures import failure_of
from pumice.agents.turn import Outcome
from pumice.errors import SerializationError, StoreAwayError
from pumice.messaging.events import Event, EventPublisher, Reply
from pumice.messaging.group_flush import GroupFlush
from pumice.messaging.wakes import Wake, WakePublisher
from pumice.sessions.claim import Lease
from pumice.sessions.commit import INTERRUPTED, SessionCommit, commit
from pumice.sessions.connections import StoreConnection
from pumice.sessions.finished import problem_of
from pumice.settings import Settings

GROUP = 100
LINGER = 0.025
"""Seconds that finished turns wait for company when no client waits for them."""
PATIENCE = 60.0
"""Seconds that a commit is tried again while Postgres is away; its leases are lost by then."""

log = logging.getLogger("pumice.commit")


@dataclass(slots=True)
class Finished:
    """Turns of one session to commit. `done` is called with whether the lease held."""

    part: SessionCommit
    done: Callable[[bool], None]


class Committer:
    """Commits from a thread of its own; one connection."""

    def __init__(self, settings: Settings, events: EventPublisher, wakes: WakePublisher) -> None:
        self._settings = settings
        self._events = events
        self._wakes = wakes
        self._store = StoreConnection(settings)
        self._flusher: GroupFlush[Finished] = GroupFlush("pumice-commit", self._flush, GROUP, linger=LINGER)

    def add(self, *finished: Finished, urgent: bool) -> None:
        """Have these committed: at once when urgent (a client or a thread waits), else within `LINGER`."""
        self._flusher.add(*finished, urgent=urgent)

    def flush(self) -> None:
        """Commit what has gathered now, on the calling thread if nobody else is at it."""
        self._flusher.flush_here()

    def stop(self, timeout: float = 5.0) -> None:
        """Commit what is left."""
        self._flusher.stop(timeout)

    def _flush(self, batch: list[Finished]) -> None:
        sessions = _merge(batch)
        held: set[Lease] = set()
        try:
            committed = self._commit_patiently(sessions)
            held = {one.lease for one in committed}
            self._tell(committed)
            for one in sessions:
                if one.lease not in held:
                    log.warning(
                        "fenced agent=%s session=%s token=%d turns=%d",
                        one.lease.agent_id, one.lease.session_id, one.lease.token, len(one.outcomes),
                    )  # fmt: skip
        finally:
            for finished in batch:
                finished.done(finished.part.lease in held)

    def _commit_patiently(self, sessions: list[SessionCommit]) -> list[SessionCommit]:
        give_up = time.monotonic() + PATIENCE
        unsure = False
        while True:
            try:
                return self._commit(sessions, unsure=unsure)
            except StoreAwayError as error:
                if time.monotonic() > give_up:
                    log.error("commit_abandoned sessions=%d error=%s", len(sessions), error)  # noqa: TRY400 (its text says it)
                    return []
                if not unsure:
                    log.warning("commit_waits sessions=%d error=%s", len(sessions), error)
                unsure = True
                time.sleep(0.2)

    def _commit(self, sessions: list[SessionCommit], *, unsure: bool) -> list[SessionCommit]:
        """Commit. Returns what was committed: of a session whose turn Postgres refused, that turn as a failure."""
        options = {"temporary_ttl": self._settings.temporary_ttl, "lease_seconds": self._settings.lease_seconds}
        try:
            held = commit(self._store, sessions, **options, unsure=unsure)
        except psycopg.Error as error:
            if len(sessions) > 1:
                return [committed for one in sessions for committed in self._commit([one], unsure=unsure)]
            log.exception("commit_refused session=%s", sessions[0].lease.session_id)
            sessions = [_refused(sessions[0], error)]
            held = commit(self._store, sessions, **options, unsure=unsure)
        return [one for one in sessions if one.lease in held]

    def _tell(self, sessions: list[SessionCommit]) -> None:
        """Tell clients, in one round trip, and wake the targets of calls."""
        committed = [(one.lease, outcome) for one in sessions for outcome in one.outcomes]
        for lease, outcome in committed:
            _log_failure(lease, outcome)
        self._events.publish(
            *(item for lease, outcome in committed for item in announcements(lease, outcome)), here=True
        )
        self._wakes.wake(
            Wake.of(lease.agent_id, call.session_id, "call")
            for lease, outcome in committed
            for call in outcome.calls
            if call.at is None and not call.delay
        )


def _log_failure(lease: Lease, outcome: Outcome) -> None:
    """Log a failed attempt, without the error's message: it may quote what a client sent."""
    work, failure = outcome.work, outcome.failure
    if failure is not None:
        log.warning(
            "turn_failed agent=%s session=%s interaction=%s kind=%s name=%s attempt=%d status=%s error=%s at=%s",
            lease.agent_id, lease.session_id, work.id, work.kind, work.name, failure.attempt, outcome.status,
            failure.type, failure.where,
        )  # fmt: skip


def announcements(lease: Lease, outcome: Outcome) -> Iterable[Event | Reply]:
    """What clients are told of an outcome that is committed: nothing yet, if it will be tried again."""
    work = outcome.work
    if outcome.status == "retry":
        return
    fields = {"interactionId": work.id, "kind": work.kind}
    error = outcome.failure.encode() if outcome.failure else None
    reason = INTERRUPTED if outcome.superseded_by else None
    if outcome.status != "done":
        problem = problem_of(work.id, outcome.status, error, reason, outcome.superseded_by).document()
        yield Event(lease.agent_id, lease.session_id, "error", {**fields, "error": problem})
    else:
        if work.kind == "chat":
            message = outcome.messages[-1].encode()
            yield Event(lease.agent_id, lease.session_id, "message", {"interactionId": work.id, "message": message})
        yield Event(lease.agent_id, lease.session_id, "done", {**fields, "status": outcome.status})
    if work.reply_to is not None:
        result = None if outcome.result is None else orjson.Fragment(outcome.result)
        if error is not None:
            error = {key: value for key, value in error.items() if key != "traceback"}
        ended = {"status": outcome.status, "reason": reason, "supersededBy": outcome.superseded_by}
        yield Reply(work.reply_to, {"id": work.id, "result": result, "error": error, **ended})


def _merge(batch: list[Finished]) -> list[SessionCommit]:
    """One part per lease, in order; a statement can't update a row twice."""
    merged: dict[Lease, SessionCommit] = {}
    for finished in batch:
        part = finished.part
        known = merged.get(part.lease)
        if known is None:
            merged[part.lease] = replace(part, outcomes=[*part.outcomes], ages=[*part.ages])
        else:
            known.outcomes += part.outcomes
            known.ages += part.ages
            known.release = part.release
    return list(merged.values())


def _refused(one: SessionCommit, error: psycopg.Error) -> SessionCommit:
    """The first turn as a failure, because Postgres refuses what it left; the others run again."""
    first = one.outcomes[0]
    failure = failure_of(SerializationError("state or result", str(error)))
    return replace(one, release=True, outcomes=[Outcome(first.work, "failed", failure=failure)], ages=one.ages[:1])
