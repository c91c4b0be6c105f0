"""Accept: write interactions durably, many in one statement, each recognised if it came before."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from pumice.agents.context import new_id
from pumice.agents.names import is_temporary_id
from pumice.sessions.connections import StoreConnection
from pumice.sessions.parameters import Blob, json_rows
from pumice.sessions.statements import NoRow, Statement

WAKE_GRACE = 5.0
"""Seconds after which rescue wakes what was accepted and not run; publishing normally is done in a millisecond."""
LOOKUPS = 5


class _Inserted(NamedTuple):
    id: str


class _Known(NamedTuple):
    """An interaction that is there already. `stale`: it is older than the window."""

    id: str
    agent_id: str
    session_id: str
    source: str | None
    key: str | None
    stale: bool


ACCEPT = Statement(
    "accept",
    """
with incoming as (
  select * from json_to_recordset(%(rows)s::json) as i(place int, id uuid, agent_id text, session_id text, kind text,
    name text, payload text, body_at int, body_size int, source text, key text, temporary boolean, reply_to text)
), made as (
  insert into sessions (agent_id, id, temporary, expires_at)
  select agent_id, session_id, bool_and(temporary),
    case when bool_and(temporary) then now() + %(ttl)s * interval '1 second' end
  from incoming group by agent_id, session_id order by agent_id, session_id
  on conflict do nothing
)
insert into interactions (id, agent_id, session_id, kind, name, payload, body, dedupe_source, dedupe_key, wake_at,
  reply_to)
select id, agent_id, session_id, kind, name, payload::json,
  substring(%(bodies)b::bytea from body_at for body_size), source, key,
  now() + %(grace)s * interval '1 second', reply_to
from incoming order by place
on conflict do nothing
returning id::text
""",
    _Inserted,
)
"""Inserts the sessions that are missing and the interactions that are new, in the order given; returns the new ids."""

MAKE = Statement(
    "make_session",
    """
insert into sessions (agent_id, id, temporary, expires_at)
values (%(agent)s, %(session)s, %(temporary)s,
  case when %(temporary)s then now() + %(ttl)s * interval '1 second' end) on conflict do nothing
""",
    NoRow,
)
"""Makes a session if it is missing."""

FIND = Statement(
    "find_accepted",
    """
select i.id::text as id, i.agent_id, i.session_id, i.dedupe_source as source, i.dedupe_key as key,
  i.accepted_at < now() - %(window)s * interval '1 second' as stale
from interactions i
where i.id = any(%(ids)s::uuid[])
  or (i.agent_id, i.dedupe_source, i.dedupe_key) in (select * from unnest(%(agents)s::text[], %(sources)s::text[],
    %(keys)s::text[]))
""",
    _Known,
)
"""Finds interactions by id or by dedupe key, and says which are older than the window."""

FORGET = Statement(
    "forget_dedupe_keys", "update interactions set dedupe_key = null where id = any(%(ids)s::uuid[])", NoRow
)
"""Frees dedupe keys that are older than the window."""


@dataclass(frozen=True, slots=True)
class NewInteraction:
    """What to accept. `payload` is JSON text. `dedupe` is a source and a key; the key is unique in agent and source."""

    id: str
    agent_id: str
    session_id: str
    kind: str
    name: str | None
    payload: str
    body: bytes | None = None
    dedupe: tuple[str, str] | None = None
    temporary: bool = False
    reply_to: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted interaction: the new one, or the first with the same dedupe key (`duplicate`)."""

    id: str
    session_id: str
    duplicate: bool = False


def temporary_session_id() -> str:
    """An unguessable id for a temporary session."""
    return f"tmp-{new_id()}"


def accept(
    store: StoreConnection,
    incoming: list[NewInteraction],
    *,
    temporary_ttl: float,
    window: float,
    grace: float = WAKE_GRACE,
) -> list[Accepted]:
    """Accept interactions in one statement, in the store's transaction if it has one; a session's keep their order.

    Safe to repeat after a lost connection: ids tell what is already there. temporary_ttl, window: seconds.
    grace: seconds after which rescue wakes what nobody else did.
    Returns one `Accepted` for each, in order. Raises `StoreAwayError`.
    """
    done: dict[str, Accepted] = {}
    waiting = _in_lock_order(incoming)
    for _ in range(LOOKUPS):
        inserted = {row.id for row in store.fetch(ACCEPT, _rows(waiting, temporary_ttl, grace))}
        done.update({one.id: Accepted(one.id, one.session_id) for one in waiting if one.id in inserted})
        waiting = [one for one in waiting if one.id not in done]
        if waiting:
            done.update(_find(store, waiting, window))
            waiting = [one for one in waiting if one.id not in done]
        if not waiting:
            break
    return [done[one.id] for one in incoming]


def ensure_session(store: StoreConnection, agent_id: str, session_id: str, *, temporary_ttl: float | None) -> None:
    """Make a session if it is missing; temporary for so many seconds, unless that is None. Raises `StoreAwayError`."""
    temporary = {"temporary": temporary_ttl is not None, "ttl": temporary_ttl or 0.0}
    store.fetch(MAKE, {"agent": agent_id, "session": session_id, **temporary}, again=True)


def _in_lock_order(incoming: list[NewInteraction]) -> list[NewInteraction]:
    """Those with dedupe keys first, sorted, so that two fronts can't deadlock; the others as they came."""
    keyed = [one for one in incoming if one.dedupe]
    if not keyed:
        return incoming
    keyed.sort(key=lambda one: (one.agent_id, *(one.dedupe or ())))
    return [*keyed, *(one for one in incoming if not one.dedupe)]


def _rows(incoming: list[NewInteraction], temporary_ttl: float, grace: float) -> dict[str, Any]:
    bodies = Blob()
    rows = []
    for place, one in enumerate(incoming):
        source, key = one.dedupe or (None, None)
        body_at, body_size = bodies.add(one.body)
        rows.append(
            {
                "place": place,
                "id": one.id,
                "agent_id": one.agent_id,
                "session_id": one.session_id,
                "kind": one.kind,
                "name": one.name,
                "payload": one.payload,
                "body_at": body_at,
                "body_size": body_size,
                "source": source,
                "key": key,
                "temporary": one.temporary or is_temporary_id(one.session_id),
                "reply_to": one.reply_to,
            }
        )
    return {"rows": json_rows(rows), "bodies": bodies.value, "ttl": temporary_ttl, "grace": grace}


def _find(store: StoreConnection, waiting: list[NewInteraction], window: float) -> dict[str, Accepted]:
    keyed = [one for one in waiting if one.dedupe]
    rows = store.fetch(
        FIND,
        {
            "ids": [one.id for one in waiting],
            "agents": [one.agent_id for one in keyed],
            "sources": [one.dedupe[0] for one in keyed if one.dedupe],
            "keys": [one.dedupe[1] for one in keyed if one.dedupe],
            "window": window,
        },
    )
    own = {row.id for row in rows}
    first = {(row.agent_id, row.source, row.key): row for row in rows}
    stale = [row.id for row in rows if row.stale]
    if stale:
        store.fetch(FORGET, {"ids": stale})
    found = {}
    for one in waiting:
        row = first.get((one.agent_id, *(one.dedupe or ("", ""))))
        if one.id in own:
            found[one.id] = Accepted(one.id, one.session_id)
        elif row is not None and not row.stale:
            found[one.id] = Accepted(row.id, row.session_id, duplicate=True)
    return found
