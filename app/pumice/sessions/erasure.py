"""Erasing a session: nothing of it stays, neither in its forks nor in reports, and what went is told.

A deletion leaves its forks whole, and so what they share with it. An erasure takes them along, or is refused.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from pumice.errors import Conflict, UnknownSession
from pumice.sessions.connections import StoreConnection
from pumice.sessions.deletion import Deleted, delete_session
from pumice.sessions.statements import NoRow, Statement
from pumice.sessions.tombs import empty_tomb

SHOWN = 20
"""Forks that a refusal names."""
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


class _Count(NamedTuple):
    n: int


FIND = Statement(
    "find_all_to_erase",
    """
with recursive root as (
  select s.id, s.line from sessions s where s.agent_id = %(agent)s and s.id = %(session)s and s.deleted_at is null
  union
  select p.id, p.line from sessions f join sessions p on p.line = f.parent_line
  where f.agent_id = %(agent)s and f.parent_session = %(session)s and p.deleted_at is not null
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
"""A session, what is left of one of its name that was deleted, and all their forks, the youngest first.

With each what it holds.
"""

EMPTY_OUT = Statement(
    "erase_interactions",
    """
delete from interactions where agent_id = %(agent)s and session_id = any(%(sessions)s) and status <> 'queued'
  and not exists (select from sessions s where s.agent_id = %(agent)s and s.id = session_id)
""",
    NoRow,
)
"""Deletes what a deletion leaves of interactions that had not finished, for whoever waits for them."""

REPORTS = Statement(
    "erase_replay_reports",
    """
with gone as (
  delete from replay_sessions where agent_id = %(agent)s and session_id = any(%(sessions)s) returning replay_id
), named as (
  update replays r set request = (r.request::jsonb || jsonb_build_object('sessions', coalesce((
    select jsonb_agg(one) from jsonb_array_elements_text(r.request::jsonb -> 'sessions') one
    where one <> all(%(sessions)s)), '[]'::jsonb)))::json
  where r.agent_id = %(agent)s and r.request::jsonb -> 'sessions' ?| %(sessions)s::text[]
)
select count(distinct replay_id) as n from gone
""",
    _Count,
)
"""Takes the sessions out of the reports of replays. Returns in how many they were."""

PROBLEMS = Statement(
    "erase_operation_problems",
    """
update operations o set problems = coalesce((select jsonb_agg(one) from jsonb_array_elements(o.problems) one
  where one ->> 'sessionId' <> all(%(sessions)s)), '[]'::jsonb)
where o.agent_id = %(agent)s and exists (select from jsonb_array_elements(o.problems) one
  where one ->> 'sessionId' = any(%(sessions)s))
""",
    NoRow,
)
"""Takes the sessions out of what operations could not do."""


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
    Raises `UnknownSession`, `Conflict` when there are forks that were not asked for, `StoreAwayError`; after the last
    it may be called again.
    """
    found = [] if "\x00" in session_id else store.fetch(FIND, {"agent": agent_id, "session": session_id})
    if not found:
        raise UnknownSession
    others = [row.id for row in found if row.id != session_id and not row.id.startswith(OWN_PREFIX)]
    if others and not forks:
        raise Conflict(
            f"{len(others)} sessions were forked of it and hold what it said up to there: erase them too, or first.",
            forks=others[:SHOWN],
        )
    ids = [row.id for row in found]
    for row in found:
        if row.gone:
            _remove_tomb(store, agent_id, row.id)
            continue
        for deleted in delete_session(store, agent_id, row.id):
            tell(row.id, deleted)
    key = {"agent": agent_id, "sessions": [*ids, session_id]}
    with store.transaction() as transaction:
        transaction.fetch(EMPTY_OUT, key)
        reports = transaction.fetch(REPORTS, key)[0].n
        transaction.fetch(PROBLEMS, key)
    return {
        "sessions": sorted(one for one in {*ids, session_id} if not one.startswith(OWN_PREFIX)),
        "messages": sum(row.messages for row in found),
        "interactions": sum(row.interactions for row in found),
        "points": sum(row.points for row in found),
        "snapshots": sum(row.snapshots for row in found),
        "replays": reports,
    }


def _remove_tomb(store: StoreConnection, agent_id: str, tomb: str) -> None:
    over = False
    while not over:
        with store.transaction() as transaction:
            over = empty_tomb(transaction, agent_id, tomb)
