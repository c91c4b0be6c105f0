"""Doing an operation, a session at a time: what is done to a session and how far the operation is are one commit.

So a worker that is killed leaves nothing half done and nothing twice, and any other goes on. No transaction holds more
than one session's row: no turn waits for longer than for a chat. (A deletion has transactions of its own; it is done
again when it was interrupted, which changes nothing.)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from psycopg import errors as pg
from sqlalchemy import Engine

from pumice.agents.json_text import dumps
from pumice.agents.names import checked_session_id
from pumice.agents.operations import NewOperation, read_operation
from pumice.agents.state_text import load_state, with_unknown, write_state
from pumice.errors import Problem, PumiceError, StoreAwayError, UnknownSession
from pumice.logs import get_logger
from pumice.sessions import snapshots
from pumice.sessions.cancel import cancel
from pumice.sessions.connections import StoreConnection
from pumice.sessions.deletion import delete_session
from pumice.sessions.deltas import apply, unpack
from pumice.sessions.finished import FinishedInteraction
from pumice.sessions.forks import NewFork, fork
from pumice.sessions.queries import page_of_sessions
from pumice.sessions.restoring import RestoreOptions, restore
from pumice.sessions.snapshots import NewSnapshot
from pumice.sessions.staleness import refresh_stale
from pumice.sessions.statements import NoRow, Statement

PAGE = 200
"""Sessions that are looked up at a time."""
PROBLEMS = 100
"""Problems that are kept: the first ones."""
LOCK_WAIT = 2.0
"""Seconds that are waited for a session's row."""
log = get_logger("pumice.operations")
DONE, SKIPPED, FAILED = "done", "skipped", "failed"


class _Open(NamedTuple):
    id: str
    agent_id: str
    action: str
    request: dict[str, Any]
    position: str
    created_at: str


class _Id(NamedTuple):
    id: str


class _State(NamedTuple):
    lease_token: int | None
    state_version: int
    state: str | None
    state_delta: bytes | None
    base: bytes | None


TAKE = Statement(
    "take_operation",
    """
update operations set checked_at = clock_timestamp()
where id = (select id from operations
  where status = 'running' and agent_id = any(%(agents)s) and checked_at < clock_timestamp() - interval '5 seconds'
  order by checked_at limit 1 for update skip locked)
returning id::text as id, agent_id, action, request, position, created_at::text as created_at
""",
    _Open,
)
"""Takes an operation that nobody is at."""

ADVANCE = Statement(
    "advance_operation",
    """
update operations set position = %(session)s, checked_at = clock_timestamp(), done = done + (%(outcome)s = 'done')::int,
  skipped = skipped + (%(outcome)s = 'skipped')::int, failed = failed + (%(outcome)s = 'failed')::int,
  problems = case when %(problem)s::jsonb is null or jsonb_array_length(problems) >= %(problems)s then problems
    else problems || %(problem)s::jsonb end
where id = %(id)s::uuid and status = 'running' and position = %(position)s
returning id::text as id
""",
    _Id,
)
"""Notes what became of the next session; no row when somebody else did, or the operation was stopped."""

PAUSE = Statement("pause_operation", "update operations set checked_at = '-infinity' where id = %(id)s::uuid", NoRow)
"""Leaves an operation to whoever comes next."""

FINISH = Statement(
    "finish_operation",
    """
update operations set status = 'done', finished_at = clock_timestamp()
where id = %(id)s::uuid and status = 'running' and position = %(position)s
""",
    NoRow,
)
"""Ends an operation that came to all sessions."""

FAIL = Statement(
    "fail_operation",
    """
update operations set status = 'failed', finished_at = clock_timestamp(),
  problems = jsonb_build_array(jsonb_build_object('sessionId', null, 'detail', %(why)s::text))
where id = %(id)s::uuid and status = 'running'
""",
    NoRow,
)
"""Ends an operation that can't be done by the code that runs now."""

READ_STATE = Statement(
    "lock_state_to_migrate",
    """
select lease_token, state_version, case when not stale then state::text end as state,
  case when stale then state_delta end as state_delta, case when stale then base end as base
from sessions where agent_id = %(agent)s and id = %(session)s and deleted_at is null for update
""",
    _State,
)
"""A session's state, as it stands; no claim and no commit comes between."""

WRITE_STATE = Statement(
    "write_migrated_state",
    """
update sessions set state = %(state)s::json, stale = false, state_delta = null, base = null, keyframe = null,
  state_version = %(version)s
where agent_id = %(agent)s and id = %(session)s
""",
    NoRow,
)
"""Writes a state of the newer version. The next turn makes a new keyframe."""


@dataclass(frozen=True, slots=True)
class Did:
    """What was done to a session, what that closed, each with the front that waits, and whether to wake it."""

    outcome: str = DONE
    closed: Sequence[tuple[FinishedInteraction, str | None]] = ()
    wakes: bool = False


Tell: TypeAlias = Callable[[str, str, Did], None]
"""Tells those who wait, and wakes the session, after something was done to it: `(agent id, session id, what)`."""


class _OvertakenError(Exception):
    """Another worker is at this operation, or it was stopped."""


def step(store: StoreConnection, engine: Engine, agents: Mapping[str, type[Any]], tell: Tell) -> bool:
    """Do some of an operation. Returns whether there was something to do.

    store: one that waits for locks `LOCK_WAIT` seconds at the most. agents: the classes that are served here.
    Raises `StoreAwayError`; what was noted is done.
    """
    found = store.fetch(TAKE, {"agents": list(agents)})
    if not found:
        return False
    one = found[0]
    cls = agents[one.agent_id]
    try:
        wanted = read_operation(cls, {"action": one.action, **one.request})
    except Problem as error:
        store.fetch(FAIL, {"id": one.id, "why": error.detail})
        return True
    if wanted.condition.looks_at_state:
        refresh_stale(store, one.agent_id)
    page = page_of_sessions(
        engine, one.agent_id, wanted.condition, after=one.position, before=one.created_at, limit=PAGE
    )
    if not page:
        store.fetch(FINISH, {"id": one.id, "position": one.position})
        return True
    try:
        for session_id in page:
            did = _do(store, one, session_id, wanted, cls)
            tell(one.agent_id, session_id, did)
            one = one._replace(position=session_id)
    except _OvertakenError:
        return True
    store.fetch(PAUSE, {"id": one.id})
    return True


def _do(store: StoreConnection, one: _Open, session_id: str, wanted: NewOperation, cls: type[Any]) -> Did:
    """Do it to one session, and note that it was done. Raises `_OvertakenError` when nothing was."""
    try:
        if wanted.action == "delete":
            deleted = [*delete_session(store, one.agent_id, session_id)]
            _advance(store, one, session_id, DONE)
            return Did(DONE, [row for step in deleted for row in step.interactions])
        with store.transaction():
            did = ACTIONS[wanted.action](store, one.agent_id, session_id, wanted.options, cls)
            _advance(store, one, session_id, did.outcome)
            return did
    except pg.LockNotAvailable:
        _advance(store, one, session_id, FAILED, "Others held the session's row.")
    except (StoreAwayError, _OvertakenError):
        raise
    except UnknownSession:  # deleted meanwhile
        _advance(store, one, session_id, SKIPPED)
    except PumiceError as error:
        _advance(store, one, session_id, FAILED, str(error) or type(error).__name__)
    except BaseException as error:  # the author's code may raise anything, and one session must not stop the others
        log.warning("not_operated", agent=one.agent_id, session=session_id, error=type(error).__name__)
        _advance(store, one, session_id, FAILED, type(error).__name__)
    return Did(FAILED)


def _advance(store: StoreConnection, one: _Open, session_id: str, outcome: str, why: str | None = None) -> None:
    problem = None if why is None else dumps([{"sessionId": session_id, "detail": why}]).decode()
    noted = {"id": one.id, "session": session_id, "position": one.position, "outcome": outcome}
    with store.transaction() as transaction:
        if not transaction.fetch(ADVANCE, noted | {"problem": problem, "problems": PROBLEMS}):
            raise _OvertakenError


def _snapshot(store: StoreConnection, agent_id: str, session_id: str, options: Mapping[str, Any], _: type[Any]) -> Did:
    snapshots.take(store, agent_id, session_id, NewSnapshot(options["name"], options["note"]))
    return Did()


def _fork(store: StoreConnection, agent_id: str, session_id: str, options: Mapping[str, Any], _: type[Any]) -> Did:
    new = NewFork(checked_session_id(options["prefix"] + session_id), options["quiet"])
    fork(store, agent_id, session_id, new, at=options["at"])
    return Did()


def _restore(store: StoreConnection, agent_id: str, session_id: str, options: Mapping[str, Any], _: type[Any]) -> Did:
    stopped = cancel(store, agent_id, session_id, queued=False) if options["cancel"] else None
    wanted = RestoreOptions(options["queued"], options["cancel"])
    restored = restore(store, agent_id, session_id, options["at"], wanted)
    return Did(DONE, [*(stopped.interactions if stopped else ()), *restored.cancelled], wakes=True)


def _migrate(store: StoreConnection, agent_id: str, session_id: str, _no: Mapping[str, Any], cls: type[Any]) -> Did:
    """Bring a state to the class's version, as its next turn would. One whose turn runs is left to that turn."""
    key = {"agent": agent_id, "session": session_id}
    with store.transaction() as transaction:
        found = transaction.fetch(READ_STATE, key)
        if not found:
            raise UnknownSession
        row = found[0]
        text = row.state
        if row.base is not None and row.state_delta is not None:
            text = apply(unpack(row.base), row.state_delta).decode()
        if text is None or row.lease_token is not None or row.state_version >= cls.state_version:
            return Did(SKIPPED)
        state, _, unknown = load_state(cls, text, row.state_version)
        written = with_unknown(write_state(state, cls.State), unknown)
        transaction.fetch(WRITE_STATE, key | {"state": written, "version": cls.state_version})
    return Did()


ACTIONS: Mapping[str, Callable[[StoreConnection, str, str, Mapping[str, Any], type[Any]], Did]] = {
    "snapshot": _snapshot,
    "fork": _fork,
    "restore": _restore,
    "migrate": _migrate,
}
"""What is done to a session; a deletion is not among them, since it takes transactions of its own."""
