"""Accept: write interactions durably, many in one statement, each recognised if it came before.

`repeats` says how: a repeat of what is under way or done is answered with that, one of what failed runs it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pumice.agents.context import new_id
from pumice.agents.names import is_temporary_id
from pumice.sessions.connections import StoreConnection
from pumice.sessions.parameters import Blob, json_rows
from pumice.sessions.repeats import Repeat, find_repeats
from pumice.sessions.statements import NoRow, Statement

WAKE_GRACE = 5.0
"""Seconds after which rescue wakes what was accepted and not run; publishing normally is done in a millisecond."""
LOOKUPS = 5


class _Inserted(NamedTuple):
    id: str


ACCEPT = Statement(
    "accept",
    """
with incoming as (
  select * from json_to_recordset(%(rows)s::json) as i(place int, id uuid, agent_id text, session_id text, kind text,
    name text, payload text, body_at int, body_size int, source text, key text, unnamed boolean, fingerprint text,
    temporary boolean, reply_to text)
), made as (
  insert into sessions (agent_id, id, temporary, expires_at)
  select agent_id, session_id, bool_and(temporary),
    case when bool_and(temporary) then now() + %(ttl)s * interval '1 second' end
  from incoming i
  where not unnamed or key is null or not exists (select from interactions d where d.agent_id = i.agent_id
    and d.dedupe_source = i.source and d.dedupe_key = i.key and d.dedupe_unnamed)
  group by agent_id, session_id order by agent_id, session_id
  on conflict do nothing
)
insert into interactions (id, agent_id, session_id, kind, name, payload, body, dedupe_source, dedupe_key,
  dedupe_unnamed, fingerprint, wake_at, reply_to)
select id, agent_id, session_id, kind, name, payload::json,
  substring(%(bodies)b::bytea from body_at for body_size), source, key,
  case when unnamed and key is not null then true end, fingerprint, now() + %(grace)s * interval '1 second', reply_to
from incoming order by place
on conflict do nothing
returning id::text
""",
    _Inserted,
)
"""Inserts the sessions that are missing and the interactions that are new, in the order given; returns the new ids.

Two unique indexes say what is new: of dedupe keys in a session, and of those for which no session was named. A repeat
of the latter makes no second temporary session.
"""

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


@dataclass(frozen=True, slots=True)
class NewInteraction:
    """What to accept. `payload` is JSON text.

    dedupe: a source and a key by which a repeat is recognised, in its agent and session. unnamed: no session was named
    for it, so that a repeat is looked for among those without one. fingerprint: of what came under an Idempotency-Key.
    event_at: when the event happened, in seconds since 1970, where its hook asks for that order.
    """

    id: str
    agent_id: str
    session_id: str
    kind: str
    name: str | None
    payload: str
    body: bytes | None = None
    dedupe: tuple[str, str] | None = None
    unnamed: bool = False
    fingerprint: str | None = None
    temporary: bool = False
    reply_to: str | None = None
    event_at: float | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted interaction: the new one, or the first with the same dedupe key (`duplicate`).

    revived: the first had failed, and is queued again for this repeat. differs: the first had another body.
    """

    id: str
    session_id: str
    duplicate: bool = False
    revived: bool = False
    differs: bool = False

    @property
    def starts(self) -> bool:
        """Whether there is something to run: it is new, or is to run again."""
        return self.revived or not self.duplicate


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
        inserted = {row.id for row in store.fetch(ACCEPT, accept_rows(waiting, temporary_ttl, grace))}
        done.update({one.id: Accepted(one.id, one.session_id) for one in waiting if one.id in inserted})
        waiting = [one for one in waiting if one.id not in done]
        if waiting:
            found = find_repeats(
                store, [_repeat(one) for one in waiting], window=window, ttl=temporary_ttl, grace=grace
            )
            done.update({one: Accepted(*known) for one, known in found.items()})
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
    keyed.sort(key=lambda one: (one.agent_id, *(one.dedupe or ()), one.unnamed, one.session_id))
    return [*keyed, *(one for one in incoming if not one.dedupe)]


def accept_rows(incoming: Sequence[NewInteraction], temporary_ttl: float, grace: float) -> dict[str, Any]:
    """The parameters of `ACCEPT`."""
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
                "unnamed": one.unnamed,
                "fingerprint": one.fingerprint,
                "temporary": one.temporary or is_temporary_id(one.session_id),
                "reply_to": one.reply_to,
            }
        )
    return {"rows": json_rows(rows), "bodies": bodies.value, "ttl": temporary_ttl, "grace": grace}


def _repeat(one: NewInteraction) -> Repeat:
    source, key = one.dedupe or (None, None)
    return Repeat(one.id, one.agent_id, one.session_id, source, key, one.unnamed, one.fingerprint, one.reply_to)
