"""How far an operation is, in its row: who is at it, at which session, and what became of those before."""

from typing import Any, NamedTuple

from pumice.agents.json_text import dumps
from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import NoRow, Statement

PROBLEMS = 100
"""Problems that are kept: the first ones."""
LONGEST_PROBLEM = 500
"""Characters that are kept of a problem."""
DONE, SKIPPED, FAILED = "done", "skipped", "failed"


class OpenOperation(NamedTuple):
    """An operation that a worker took."""

    id: str
    agent_id: str
    action: str
    request: dict[str, Any]
    position: str
    session_id: str | None
    begun: bool
    created_at: str


class _Id(NamedTuple):
    id: str


class _Takes(NamedTuple):
    takes: int


TAKE = Statement(
    "take_operation",
    """
update operations set checked_at = clock_timestamp()
where id = (select id from operations
  where (status = 'running' or begun) and agent_id = any(%(agents)s)
    and checked_at < clock_timestamp() - interval '5 seconds'
  order by checked_at limit 1 for update skip locked)
returning id::text as id, agent_id, action, request, position, session_id, begun, created_at::text as created_at
""",
    OpenOperation,
)
"""Takes an operation that nobody is at."""

BEAT = Statement(
    "beat_operation", "update operations set checked_at = clock_timestamp() where id = %(id)s::uuid", NoRow
)
"""Says that somebody is at it."""

BEGIN = Statement(
    "begin_operated_session",
    """
update operations set session_id = %(session)s, takes = case when session_id = %(session)s then takes + 1 else 1 end,
  checked_at = clock_timestamp()
where id = %(id)s::uuid and status = 'running' and position = %(position)s
returning takes
""",
    _Takes,
)
"""Notes which session comes next, and how often workers began with it; no row when another was quicker."""

ADVANCE = Statement(
    "advance_operation",
    """
update operations set position = %(session)s, session_id = null, takes = 0, begun = false,
  checked_at = clock_timestamp(), done = done + (%(outcome)s = 'done')::int,
  skipped = skipped + (%(outcome)s = 'skipped')::int, failed = failed + (%(outcome)s = 'failed')::int,
  problems = case when %(problem)s::jsonb is null or jsonb_array_length(problems) >= %(problems)s then problems
    else problems || %(problem)s::jsonb end
where id = %(id)s::uuid and status = 'running' and position = %(position)s
returning id::text as id
""",
    _Id,
)
"""Notes what became of the next session; no row when somebody else did, or the operation was stopped."""

NOTE_BEGUN = Statement(
    "note_begun_deletion",
    """
update operations set begun = true
where id = %(id)s::uuid and status = 'running' and position = %(position)s and session_id = %(session)s
returning id::text as id
""",
    _Id,
)
"""Notes that the session is half deleted: it has to be deleted to its end, even if the operation is stopped."""

END_BEGUN = Statement(
    "end_begun_deletion",
    """
update operations set begun = false, session_id = null, takes = 0, done = done + 1,
  position = case when status = 'running' then %(session)s else '' end
where id = %(id)s::uuid and begun and session_id = %(session)s
""",
    NoRow,
)
"""Notes that a session that was half deleted is gone."""

PAUSE = Statement(
    "pause_operation",
    "update operations set checked_at = clock_timestamp() - interval '5 seconds', takes = 0 where id = %(id)s::uuid",
    NoRow,
)
"""Leaves an operation to whoever comes next; others that wait come first."""

FINISH = Statement(
    "finish_operation",
    """
update operations set status = 'done', finished_at = clock_timestamp(), position = '', session_id = null
where id = %(id)s::uuid and status = 'running' and position = %(position)s
""",
    NoRow,
)
"""Ends an operation that came to all sessions."""

FAIL = Statement(
    "fail_operation",
    """
update operations set status = 'failed', finished_at = clock_timestamp(), position = '',
  session_id = case when begun then session_id end,
  problems = problems || jsonb_build_array(jsonb_build_object('sessionId', null, 'detail', %(why)s::text))
where id = %(id)s::uuid and status = 'running'
""",
    NoRow,
)
"""Ends an operation that can't be done by the code that runs now; what could not be done before stays told."""


class OvertakenError(Exception):
    """Another worker is at this operation, or it was stopped."""


class Progress:
    """How far an operation is, as the worker that took it knows. store: its connection."""

    def __init__(self, store: StoreConnection, one: OpenOperation) -> None:
        self.store = store
        self.one = one
        self.position = one.position

    def begin(self, session_id: str) -> int:
        """Note that a session comes next. Returns how often workers began with it. Raises `OvertakenError`."""
        found = self.store.fetch(BEGIN, self._key(session_id))
        if not found:
            raise OvertakenError
        return found[0].takes

    def advance(self, session_id: str, outcome: str, why: str | None = None) -> None:
        """Note what became of it, in the transaction that is open, if one is. Raises `OvertakenError`."""
        problem = None if why is None else dumps([{"sessionId": session_id, "detail": storable(why)}]).decode()
        noted = self._key(session_id) | {"outcome": outcome, "problem": problem, "problems": PROBLEMS}
        with self.store.transaction() as transaction:
            if not transaction.fetch(ADVANCE, noted):
                raise OvertakenError

    def note_begun(self, session_id: str) -> None:
        """Note that it is half deleted, in the transaction that is open. Raises `OvertakenError`."""
        with self.store.transaction() as transaction:
            if not transaction.fetch(NOTE_BEGUN, self._key(session_id)):
                raise OvertakenError

    def end_begun(self, session_id: str) -> None:
        """Note that what was half deleted is gone, in the transaction that is open."""
        with self.store.transaction() as transaction:
            transaction.fetch(END_BEGUN, self._key(session_id))

    def beat(self) -> None:
        """Say that somebody is at it."""
        self.store.fetch(BEAT, {"id": self.one.id})

    def pause(self) -> None:
        """Leave it to whoever comes next."""
        self.store.fetch(PAUSE, {"id": self.one.id})

    def finish(self) -> None:
        """End it: it came to all sessions."""
        self.store.fetch(FINISH, {"id": self.one.id, "position": self.position})

    def fail(self, why: str) -> None:
        """End it: it can't be done."""
        self.store.fetch(FAIL, {"id": self.one.id, "why": storable(why)})

    def _key(self, session_id: str) -> dict[str, Any]:
        return {"id": self.one.id, "session": session_id, "position": self.position}


def storable(text: str) -> str:
    """So much of a text as is kept, without what Postgres can't hold: authors' code may say anything."""
    return text[:LONGEST_PROBLEM].encode(errors="replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
