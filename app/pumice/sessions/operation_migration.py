"""Migrating a session's state as part of an operation, as its next turn would.

The author's code runs outside of any transaction and no longer than a turn may. It is written if no turn came between.
"""

from typing import Any, NamedTuple

from pumice.agents.bounded_call import BoundedCalls
from pumice.agents.state_text import load_state, with_unknown, write_state
from pumice.errors import Conflict, PumiceError, SerializationError, StoredStateError
from pumice.sessions.deltas import apply, unpack
from pumice.sessions.operation_check import Check
from pumice.sessions.operation_rows import DONE, SKIPPED, Progress
from pumice.sessions.statements import Statement

TRIES = 3
"""How often a state is migrated whose session had a turn meanwhile."""


class NotMigratedError(PumiceError):
    """The author's code raised something else than an `Exception` in `migrate_state`. Its text is the class's name."""


class _State(NamedTuple):
    lease_token: int | None
    version: int
    state_version: int
    state: str | None
    state_delta: bytes | None
    base: bytes | None


class _Written(NamedTuple):
    id: str


READ_STATE = Statement(
    "read_state_to_migrate",
    """
select lease_token, version, state_version, case when not stale then state::text end as state,
  case when stale then state_delta end as state_delta, case when stale then base end as base
from sessions where agent_id = %(agent)s and id = %(session)s and deleted_at is null
""",
    _State,
)
"""A session's state, as it stands."""

WRITE_STATE = Statement(
    "write_migrated_state",
    """
update sessions set state = %(state)s::json, stale = false, state_delta = null, base = null, keyframe = null,
  state_version = %(new)s
where agent_id = %(agent)s and id = %(session)s and version = %(version)s and state_version = %(old)s
  and lease_token is null
returning id
""",
    _Written,
)
"""Writes a state of the newer version, unless a turn came between or runs. The next turn makes a new keyframe."""


def migrate(
    progress: Progress, check: Check, session_id: str, cls: type[Any], calls: BoundedCalls, *, limit: float
) -> None:
    """Bring a state to the class's version, and note it. One whose turn runs is left to that turn.

    Raises `OvertakenError`, what `_migrated` raises, `TooLongError`, `TooManyLostError`, `Conflict` when turns always
    come between, psycopg's `LockNotAvailable`, `StoreAwayError`.
    """
    for _ in range(TRIES):
        found = _to_migrate(progress, check, session_id, cls)
        if found is None:
            return
        row, text = found
        written = calls.call(_migrated, cls, text, row.state_version, limit=limit, beat=progress.beat)
        if _write(progress, check, session_id, row, {"state": written, "new": cls.state_version}):
            return
    raise Conflict("Turns of this session came between each time.")


def _to_migrate(progress: Progress, check: Check, session_id: str, cls: type[Any]) -> tuple[_State, str] | None:
    """A session's state and its text; None, and that is noted, where there is nothing to do."""
    key = {"agent": progress.one.agent_id, "session": session_id}
    with progress.store.transaction() as transaction:
        if check.holds(transaction, session_id):
            row = transaction.fetch(READ_STATE, key)[0]
            text = row.state
            if row.base is not None and row.state_delta is not None:
                text = apply(unpack(row.base), row.state_delta).decode()
            if text is not None and row.lease_token is None and row.state_version < cls.state_version:
                return row, text
        progress.advance(session_id, SKIPPED)
    return None


def _migrated(cls: type[Any], text: str, version: int) -> str:
    """A state's text as one of the class's version.

    Raises `StoredStateError`, `SerializationError`, `NotMigratedError`.
    """
    try:
        state, _, unknown = load_state(cls, text, version)
        return with_unknown(write_state(state, cls.State), unknown)
    except (SerializationError, StoredStateError):
        raise
    except BaseException as error:  # the author's code may raise anything, also what means something else here
        raise NotMigratedError(type(error).__name__) from error


def _write(progress: Progress, check: Check, session_id: str, row: _State, new: dict[str, Any]) -> bool:
    """Write a state that was migrated. Returns false when it was not the session's state any more."""
    key = {"agent": progress.one.agent_id, "session": session_id}
    with progress.store.transaction() as transaction:
        if not check.holds(transaction, session_id):
            progress.advance(session_id, SKIPPED)
            return True
        if not transaction.fetch(WRITE_STATE, key | new | {"version": row.version, "old": row.state_version}):
            return False
        progress.advance(session_id, DONE)
    return True
