"""Doing an operation, a session at a time: what is done to a session and how far the operation is are one commit.

So a worker that is killed leaves nothing half done and nothing twice, and any other goes on. No transaction holds more
than one session's row: no turn waits for longer than for a chat. The condition is asked of each session when its turn
comes, under its row's lock: nothing is done to one for which it does not hold then.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import errors as pg
from sqlalchemy import Engine
from sqlalchemy.exc import DataError

from pumice.agents.bounded_call import BoundedCalls, TooLongError, TooManyLostError
from pumice.agents.operations import NewOperation, read_operation
from pumice.agents.spec import CHAT_POLICY
from pumice.errors import Problem, PumiceError, StoreAwayError, UnknownPoint, UnknownSession
from pumice.logs import get_logger
from pumice.sessions.connections import StoreConnection
from pumice.sessions.operation_actions import Tell, act
from pumice.sessions.operation_check import Check
from pumice.sessions.operation_deletion import delete, go_on_deleting
from pumice.sessions.operation_migration import migrate
from pumice.sessions.operation_rows import FAILED, SKIPPED, TAKE, OpenOperation, OvertakenError, Progress
from pumice.sessions.queries import page_of_sessions
from pumice.sessions.staleness import refresh_stale

PAGE = 200
"""Sessions that are looked up at a time."""
LOCK_WAIT = 2.0
"""Seconds that are waited for a session's row."""
TAKES = 3
"""How often workers begin with a session before it is given up: it may be what ends them."""
log = get_logger("pumice.operations")


class _LaterError(Exception):
    """The operation goes on later, after others."""


class _FailedError(Exception):
    """The operation can't be done by the code that runs now. Its text says why."""


@dataclass(frozen=True, slots=True)
class Operated:
    """An agent that is served here. limit: seconds that its `migrate_state` may take."""

    cls: type[Any]
    limit: float = CHAT_POLICY.timeout


@dataclass(frozen=True, slots=True)
class Operator:
    """What does operations in a process.

    store: a connection that waits for locks `LOCK_WAIT` seconds at the most. agents: those that are served here.
    """

    store: StoreConnection
    engine: Engine
    agents: Mapping[str, Operated]
    tell: Tell
    calls: dict[str, BoundedCalls] = field(default_factory=lambda: defaultdict(BoundedCalls))

    def step(self) -> bool:
        """Do some of an operation. Returns whether there was something to do.

        Raises `StoreAwayError`; what was noted is done.
        """
        found = self.store.fetch(TAKE, {"agents": list(self.agents)})
        if not found:
            return False
        progress = Progress(self.store, found[0])
        try:
            self._go_on(progress, found[0])
        except OvertakenError:
            return True
        except _LaterError:
            progress.pause()
        except _FailedError as error:
            progress.fail(str(error))
        return True

    def _go_on(self, progress: Progress, one: OpenOperation) -> None:
        """Do it to a page of sessions. Raises `OvertakenError`, `_LaterError`, `_FailedError`."""
        if one.begun and one.session_id is not None:
            self._go_on_deleting(progress, one.session_id)
            progress.pause()
            return
        agent = self.agents[one.agent_id]
        try:
            wanted = read_operation(agent.cls, {"action": one.action, **one.request})
        except Problem as error:
            raise _FailedError(error.detail) from None
        page = self._page(one, wanted)
        if not page:
            progress.finish()
            return
        check = Check(one.agent_id, wanted.condition, one.created_at)
        for session_id in page:
            if progress.begin(session_id) > TAKES:
                why = f"Workers that were at it ended {TAKES} times."
                progress.advance(session_id, FAILED, why)
            else:
                self._do(progress, check, session_id, wanted)
            progress.position = session_id
        progress.pause()

    def _page(self, one: OpenOperation, wanted: NewOperation) -> Sequence[str]:
        """The next sessions for which the condition may hold. Raises `_FailedError`."""
        try:
            if wanted.condition.looks_at_state:
                refresh_stale(self.store, one.agent_id)
            return page_of_sessions(
                self.engine, one.agent_id, wanted.condition, after=one.position, before=one.created_at, limit=PAGE
            )
        except (DataError, psycopg.DataError) as error:
            raise _FailedError(f"The condition can't be asked: {str(error).splitlines()[0]}") from error

    def _do(self, progress: Progress, check: Check, session_id: str, wanted: NewOperation) -> None:
        """Do it to one session, and note what became of it.

        Raises `OvertakenError` when nothing was done, `_LaterError`, `_FailedError`.
        """
        try:
            self._act(progress, check, session_id, wanted)
        except (StoreAwayError, OvertakenError, _LaterError, _FailedError):
            raise
        except pg.LockNotAvailable:
            progress.advance(session_id, FAILED, "Others held the session's row.")
        except UnknownSession:  # deleted meanwhile
            progress.advance(session_id, SKIPPED)
        except UnknownPoint as error:
            began_there = wanted.action == "restore" and wanted.condition.share is not None
            progress.advance(session_id, SKIPPED if began_there else FAILED, None if began_there else str(error))
        except TooLongError:
            limit = self.agents[progress.one.agent_id].limit
            progress.advance(session_id, FAILED, f"migrate_state took longer than its limit of {limit:g} s.")
            raise _LaterError from None
        except TooManyLostError:
            raise _FailedError("migrate_state does not return for too many sessions.") from None
        except PumiceError as error:
            progress.advance(session_id, FAILED, str(error) or type(error).__name__)
        except Exception as error:  # one session must not stop the others
            name = type(error).__name__
            log.warning("not_operated", agent=progress.one.agent_id, session=session_id, error=name)
            progress.advance(session_id, FAILED, name)

    def _act(self, progress: Progress, check: Check, session_id: str, wanted: NewOperation) -> None:
        one = progress.one
        if wanted.action == "delete":
            if not delete(progress, check, session_id, self.tell):
                self._go_on_deleting(progress, session_id)
        elif wanted.action == "migrate":
            agent = self.agents[one.agent_id]
            migrate(progress, check, session_id, agent.cls, self.calls[one.agent_id], limit=agent.limit)
        else:
            did = act(progress, check, wanted.action, session_id, wanted.options)
            if did is not None:
                self.tell(one.agent_id, session_id, did)

    def _go_on_deleting(self, progress: Progress, session_id: str) -> None:
        """Delete what is left of a session. Raises `_LaterError` when others hold its row."""
        try:
            go_on_deleting(progress, session_id, self.tell)
        except pg.LockNotAvailable:
            raise _LaterError from None
