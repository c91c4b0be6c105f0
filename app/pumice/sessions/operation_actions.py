"""What operations do to a session: in one transaction with noting that it was done, but for deleting and migrating.

See `operation_deletion` and `operation_migration` for those.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pumice.agents.names import checked_session_id
from pumice.sessions import snapshots
from pumice.sessions.cancel import cancel
from pumice.sessions.connections import StoreConnection
from pumice.sessions.finished import FinishedInteraction
from pumice.sessions.forks import NewFork, fork
from pumice.sessions.keyframes import hold
from pumice.sessions.operation_check import Check
from pumice.sessions.operation_rows import DONE, SKIPPED, Progress
from pumice.sessions.restoring import RestoreOptions, restore
from pumice.sessions.snapshots import NewSnapshot


@dataclass(frozen=True, slots=True)
class Did:
    """What was done to a session: what that closed, each with the front that waits, and whether to wake it."""

    closed: Sequence[tuple[FinishedInteraction, str | None]] = ()
    wakes: bool = False


Tell: TypeAlias = Callable[[str, str, Did], None]
"""Tells those who wait, and wakes the session, after something was done to it: `(agent id, session id, what)`."""


def act(progress: Progress, check: Check, action: str, session_id: str, options: Mapping[str, Any]) -> Did | None:
    """Do it to a session, and note that it was done. Returns None where the condition does not hold (any more).

    Raises `OvertakenError`, `PumiceError` when it can't be done, psycopg's `LockNotAvailable`, `StoreAwayError`.
    """
    store, agent_id = progress.store, progress.one.agent_id
    with store.transaction() as transaction:
        hold(transaction, agent_id, session_id)
        if not check.holds(transaction, session_id):
            progress.advance(session_id, SKIPPED)
            return None
        did = ACTIONS[action](store, agent_id, session_id, options)
        progress.advance(session_id, DONE)
        return did


def _snapshot(store: StoreConnection, agent_id: str, session_id: str, options: Mapping[str, Any]) -> Did:
    snapshots.take(store, agent_id, session_id, NewSnapshot(options["name"], options["note"]))
    return Did()


def _fork(store: StoreConnection, agent_id: str, session_id: str, options: Mapping[str, Any]) -> Did:
    new = NewFork(checked_session_id(options["prefix"] + session_id), options["quiet"])
    fork(store, agent_id, session_id, new, at=options["at"])
    return Did()


def _restore(store: StoreConnection, agent_id: str, session_id: str, options: Mapping[str, Any]) -> Did:
    stopped = cancel(store, agent_id, session_id, queued=False) if options["cancel"] else None
    wanted = RestoreOptions(options["queued"], options["cancel"])
    restored = restore(store, agent_id, session_id, options["at"], wanted)
    return Did([*(stopped.interactions if stopped else ()), *restored.cancelled], wakes=True)


ACTIONS: Mapping[str, Callable[[StoreConnection, str, str, Mapping[str, Any]], Did]] = {
    "snapshot": _snapshot,
    "fork": _fork,
    "restore": _restore,
}
