"""The committer: finished turns of all threads of a worker process, committed in groups, then told to clients."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson
import psycopg
from psycopg.errors import UniqueViolation

from pumice.agents.failures import failure_of
from pumice.agents.states import Kind, Status
from pumice.agents.turn import Outcome
from pumice.errors import SerializationError, SnapshotExistsError, StoreAwayError
from pumice.logs import Outage, get_logger
from pumice.messaging.events import Event, EventPublisher, Reply
from pumice.messaging.group_flush import GroupFlush
from pumice.messaging.said import said_events
from pumice.messaging.wakes import Wake, WakePublisher
from pumice.sessions.commit import ClosedError, commit, first_alone, without
from pumice.sessions.commit_rows import SessionCommit
from pumice.sessions.connections import StoreConnection
from pumice.sessions.finished import FinishedInteraction
from pumice.sessions.leases import Lease
from pumice.sessions.refused import fail_alone
from pumice.settings import Settings

GROUP = 100
LINGER = 0.025
"""Seconds that finished turns wait for company when no client waits for them."""
PATIENCE = 60.0
"""Seconds that a commit is tried again while Postgres is away; its leases are lost by then."""

log = get_logger("pumice.commit")


@dataclass(slots=True)
class Finished:
    """Turns of one session to commit. `done` is called with whether the lease held."""

    changes: SessionCommit
    done: Callable[[bool], None]


class Committer:
    """Commits from a thread of its own; one connection."""

    def __init__(
        self,
        settings: Settings,
        events: EventPublisher,
        wakes: WakePublisher,
        emitted: Callable[[], None] = lambda: None,
    ) -> None:
        """`emitted` is called after a commit that has events for other systems."""
        self._settings = settings
        self._events = events
        self._wakes = wakes
        self._emitted = emitted
        self._store = StoreConnection(settings)
        self._away = Outage(log, "commit")
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
            held = {one.lease for one in committed if one.cut is None}
            self._tell(committed)
            for one in sessions:
                if one.lease not in held:
                    log.warning("fenced", **_known(one.lease), token=one.lease.token, turns=len(one.turns))
        finally:
            for finished in batch:
                finished.done(finished.changes.lease in held)

    def _commit_patiently(self, sessions: list[SessionCommit]) -> list[SessionCommit]:
        give_up = time.monotonic() + PATIENCE
        unsure = False
        while True:
            try:
                held = self._commit(sessions, unsure=unsure)
            except StoreAwayError as error:
                if time.monotonic() > give_up:
                    log.error("commit_abandoned", sessions=len(sessions), error=error)  # noqa: TRY400 (its text says it)
                    return []
                self._away.begins(sessions=len(sessions), error=error)
                unsure = True
                time.sleep(0.2)
            else:
                self._away.ends()
                return held

    def _commit(self, sessions: list[SessionCommit], *, unsure: bool) -> list[SessionCommit]:
        """Commit. Returns what was committed: of a session whose turn Postgres refused, that turn as a failure.

        A turn whose interaction was closed meanwhile is left out, with what followed from it.
        """
        try:
            return self._saved(sessions, unsure=unsure)
        except ClosedError as error:
            return self._commit(without(sessions, error.ids), unsure=unsure)
        except psycopg.Error as error:
            if len(sessions) > 1:
                return [committed for one in sessions for committed in self._commit([one], unsure=unsure)]
            if len(sessions[0].turns) > 1:
                return self._commit([first_alone(sessions[0])], unsure=unsure)
            return self._fail(sessions[0], error, unsure=unsure)

    def _fail(self, one: SessionCommit, error: psycopg.Error, *, unsure: bool) -> list[SessionCommit]:
        """Save as a failure a turn that Postgres refused. Returns nothing when it refuses that as well.

        Raises nothing but `StoreAwayError`: other sessions' turns wait for this one's end.
        """
        if not _is_name_taken(error):
            log.error("commit_refused", session=one.lease.session_id, exc_info=error)
        if not one.turns:
            return []
        refused = _refused(one, error)
        with suppress(psycopg.Error):
            try:
                return self._saved([refused], unsure=unsure)
            except ClosedError as closed:
                return self._saved(without([refused], closed.ids), unsure=unsure)
        with suppress(psycopg.Error):
            return [refused] if fail_alone(self._store, one.lease, refused.outcomes[0]) else []
        return []

    def _saved(self, sessions: list[SessionCommit], *, unsure: bool) -> list[SessionCommit]:
        options = {"temporary_ttl": self._settings.temporary_ttl, "lease_seconds": self._settings.lease_seconds}
        held = commit(self._store, sessions, **options, unsure=unsure)
        return [one for one in sessions if one.lease in held]

    def _tell(self, sessions: list[SessionCommit]) -> None:
        """Tell clients, in one round trip, and wake the targets of calls."""
        committed = [(one.lease, outcome) for one in sessions for outcome in one.outcomes]
        for lease, outcome in committed:
            _log_failure(lease, outcome, told=bool(self._settings.pumice_dev))
        self._events.publish(
            *(item for lease, outcome in committed for item in announcements(lease, outcome)), here=True
        )
        self._wakes.wake(
            Wake.of(lease.agent_id, call.session_id, "call")
            for lease, outcome in committed
            for call in outcome.calls
            if call.at is None and not call.delay
        )
        self._wakes.wake(Wake.of(one.lease.agent_id, one.lease.session_id, one.cut.kind) for one in sessions if one.cut)
        if any(outcome.emitted for _, outcome in committed):
            self._emitted()


def _known(lease: Lease) -> dict[str, str]:
    return {"agent": lease.agent_id, "session": lease.session_id}


def _log_failure(lease: Lease, outcome: Outcome, *, told: bool) -> None:
    """Log a failed attempt; what the error says, which may quote what a client sent, only if it is to be told."""
    work, failure = outcome.work, outcome.failure
    if failure is None:
        return
    fields = {
        **_known(lease),
        "interaction": work.id,
        "kind": work.kind,
        "name": work.name,
        "attempt": failure.attempt,
        "status": outcome.status,
        "error": failure.type,
        "at": failure.where,
    }
    log.warning("turn_failed", **fields, **({"traceback": failure.own_traceback} if told else {}))


def announcements(lease: Lease, outcome: Outcome) -> Iterable[Event | Reply]:
    """What clients are told of an outcome that is committed: nothing yet, if it will be tried again."""
    work = outcome.work
    if outcome.status == "retry":
        return
    finished = FinishedInteraction(
        work.id,
        work.kind,
        outcome.status,
        None if outcome.result is None else orjson.Fragment(outcome.result),
        outcome.failure.encode() if outcome.failure else None,
        outcome.reason,
        outcome.reason_code,
        outcome.superseded_by,
    )
    if outcome.status == Status.DONE and work.kind == Kind.CHAT and not outcome.announced:
        said = [one.encode() for one in outcome.messages[:-1]]
        yield from said_events(lease, work.id, said, replaces=outcome.replaces_history)
    message = outcome.messages[-1].encode() if outcome.messages else None
    for event in finished.events(message=message):
        yield Event.of(lease.agent_id, lease.session_id, event)
    if work.reply_to is not None:
        yield Reply(work.reply_to, finished)


def _merge(batch: list[Finished]) -> list[SessionCommit]:
    """What was done under each lease, in order; a statement can't update a row twice."""
    merged: dict[Lease, SessionCommit] = {}
    for finished in batch:
        changes = finished.changes
        known = merged.get(changes.lease)
        if known is None:
            merged[changes.lease] = replace(changes, turns=[*changes.turns])
        else:
            known.turns += changes.turns
            known.release = changes.release
    return list(merged.values())


def _is_name_taken(error: psycopg.Error) -> bool:
    """Whether a turn named the point that it leaves as an earlier one is named."""
    return isinstance(error, UniqueViolation) and error.diag.table_name == "snapshots"


def _refused(one: SessionCommit, error: psycopg.Error) -> SessionCommit:
    """The first turn as a failure, because Postgres refuses what it left; the others run again."""
    first = one.turns[0]
    taken = _is_name_taken(error)
    failure = failure_of(SnapshotExistsError() if taken else SerializationError("state or result", str(error)))
    failed = Outcome(first.outcome.work, "failed", failure=failure)
    return replace(one, release=True, turns=[replace(first, outcome=failed, point=None, effects=None)])
