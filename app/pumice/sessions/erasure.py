"""Erasing a session: nothing of it stays, neither in its forks nor in reports, and what went is told.

A deletion leaves its forks whole, and so what they share with it. An erasure takes them along, or is refused.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from pumice.errors import Conflict, UnknownSession
from pumice.sessions.connections import StoreConnection
from pumice.sessions.deletion import Deleted, delete_session
from pumice.sessions.statements import Statement
from pumice.sessions.tombs import empty_tomb
from pumice.sessions.traces import forget_traces

SHOWN = 20
"""Forks that a refusal names."""
ROUNDS = 10
"""How often what was made meanwhile is erased too."""
OWN_PREFIX = "$"
"""Begins the ids of sessions that Pumice made for itself."""


class _Found(NamedTuple):
    id: str
    gone: bool
    depth: int
    messages: int
    interactions: int
    points: int
    snapshots: int


FIND = Statement(
    "find_all_to_erase",
    """
with recursive root as (
  select s.id, s.line from sessions s where s.agent_id = %(agent)s and s.id = %(session)s and s.deleted_at is null
  union
  select p.id, p.line from sessions p
  where p.agent_id = %(agent)s and p.former_id = %(session)s and p.deleted_at is not null
), family as (
  select id, line, 0 as depth from root
  union
  select f.id, f.line, d.depth + 1 from family d join sessions f on f.parent_line = d.line
)
select d.id, s.deleted_at is not null as gone, max(d.depth) as depth,
  (select count(*) from messages m where m.agent_id = %(agent)s and m.session_id = d.id) as messages,
  (select count(*) from interactions i where i.agent_id = %(agent)s and i.session_id = d.id) as interactions,
  (select count(*) from interactions i
    where i.agent_id = %(agent)s and i.session_id = d.id and i.keyframe is not null) as points,
  (select count(*) from snapshots n
    where n.agent_id = %(agent)s and n.session_id = d.id and n.name not like '$fork:%%') as snapshots
from family d join sessions s on s.agent_id = %(agent)s and s.id = d.id
group by d.id, s.deleted_at order by depth desc, d.id
""",
    _Found,
)
"""A session, what is left of those of its name that were deleted, and all their forks, the youngest first.

With each what it holds.
"""


def erase(
    store: StoreConnection,
    agent_id: str,
    session_id: str,
    *,
    forks: bool,
    tell: Callable[[str, Deleted], None] = lambda _session, _deleted: None,
) -> dict[str, Any]:
    """Erase a session and, if `forks`, all that were forked of it. Returns what went.

    tell: told of each session, and of what a transaction closed in it.
    What was interrupted is finished by calling it again. Raises `UnknownSession` when there is nothing of the session,
    `Conflict` when there are forks that were not asked for, also such as were made meanwhile, `StoreAwayError`.
    """
    if "\x00" in session_id:
        raise UnknownSession
    erasure = _Erasure(store, agent_id, session_id, forks=forks)
    family = erasure.find()
    changed = erasure.forget()
    if not family and not changed:
        raise UnknownSession
    rounds = 0
    while family:
        if rounds == ROUNDS:
            raise Conflict("Sessions of this name, or forks of it, are made while it is erased: try again.")
        for row in family:
            erasure.remove(row, tell)
        family = erasure.find()
        rounds += 1
    erasure.forget()
    return erasure.document()


class _Erasure:
    """One erasure and what it has found up to now."""

    def __init__(self, store: StoreConnection, agent_id: str, session_id: str, *, forks: bool) -> None:
        self._store = store
        self._agent_id = agent_id
        self._session_id = session_id
        self._forks = forks
        self._seen: dict[str, _Found] = {}
        self._reports = 0

    def find(self) -> list[_Found]:
        """What there is of the session and of its forks. Raises `Conflict` for forks that were not asked for."""
        found = self._store.fetch(FIND, {"agent": self._agent_id, "session": self._session_id})
        others = [row.id for row in found if row.id != self._session_id and not row.id.startswith(OWN_PREFIX)]
        if others and not self._forks:
            many = f"{len(others)} sessions were forked of it"
            why = f"{many} and hold what it said up to there: erase them too, or first."
            if self._seen:
                why = f"It was deleted, and {many} meanwhile; they hold what it said up to there: erase them too."
            raise Conflict(why, forks=others[:SHOWN])
        for row in found:
            self._seen.setdefault(row.id, row)
        return found

    def remove(self, row: _Found, tell: Callable[[str, Deleted], None]) -> None:
        """Delete a session, or what a deletion left of it."""
        if row.gone:
            over = False
            while not over:
                with self._store.transaction() as transaction:
                    over = empty_tomb(transaction, self._agent_id, row.id)
            return
        for deleted in delete_session(self._store, self._agent_id, row.id):
            tell(row.id, deleted)

    def forget(self) -> bool:
        """Forget what is told of them elsewhere. Returns whether anything was."""
        with self._store.transaction() as transaction:
            forgotten = forget_traces(transaction, self._agent_id, [*{*self._seen, self._session_id}])
        self._reports += forgotten.reports
        return forgotten.changed

    def document(self) -> dict[str, Any]:
        """What went. What a deletion left of a session that was seen before is not counted twice."""
        rows = self._seen.values()
        return {
            "sessions": sorted(one for one in {*self._seen, self._session_id} if not one.startswith(OWN_PREFIX)),
            "messages": sum(row.messages for row in rows),
            "interactions": sum(row.interactions for row in rows),
            "points": sum(row.points for row in rows),
            "snapshots": sum(row.snapshots for row in rows),
            "replays": self._reports,
        }
