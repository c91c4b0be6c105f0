"""Deliveries that ran no turn, and counts of all: written behind the requests, many at once, and bounded.

Of each hook and status the newest `KEPT` stay, and of those as many as have `KEPT_BYTES` of body between them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pumice.agents.json_text import dumps
from pumice.sessions.connections import StoreConnection
from pumice.sessions.parameters import Blob, json_rows
from pumice.sessions.statements import NoRow, Statement

KEPT = 500
KEPT_BYTES = 5_000_000
BODY_BYTES = 65_536
"""What is kept of one body."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A delivery that ran no turn. headers, path and body are without secrets."""

    id: str
    agent_id: str
    hook: str
    status: str
    method: str
    path: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    size: int
    reason: str | None = None
    source: str | None = None
    event: str | None = None
    delivery_id: str | None = None
    session_id: str | None = None
    interaction_id: str | None = None


class Counted(NamedTuple):
    """What is counted together."""

    agent_id: str
    hook: str
    event: str
    status: str


RECORD = Statement(
    "note_deliveries",
    """
insert into deliveries (id, agent_id, hook, status, reason, source, event, delivery_id, session_id, interaction_id,
  method, path, headers, body, size)
select id, agent_id, hook, status, reason, source, event, delivery_id, session_id, interaction_id, method, path,
  headers::json, substring(%(bodies)b::bytea from body_at for body_size), size
from json_to_recordset(%(rows)s::json) as r(id uuid, agent_id text, hook text, status text, reason text, source text,
  event text, delivery_id text, session_id text, interaction_id uuid, method text, path text, headers text,
  body_at int, body_size int, size int)
on conflict do nothing
""",
    NoRow,
)
"""Writes deliveries."""

PRUNE = Statement(
    "prune_deliveries",
    """
with asked as (
  select * from json_to_recordset(%(hooks)s::json) as a(agent_id text, hook text, status text)
), ranked as (
  select d.id, row_number() over w as place, sum(coalesce(length(d.body), 0)) over w as bytes
  from asked a join deliveries d on d.agent_id = a.agent_id and d.hook = a.hook and d.status = a.status
  window w as (partition by d.agent_id, d.hook, d.status order by d.id desc)
)
delete from deliveries d using ranked r
where d.id = r.id and (r.place > %(kept)s or (r.bytes > %(bytes)s and r.place > 1))
""",
    NoRow,
)
"""Deletes what is beyond the bounds."""

COUNT = Statement(
    "count_hook_deliveries",
    """
insert into hook_counts (agent_id, hook, event, status, count)
select agent_id, hook, event, status, count from json_to_recordset(%(rows)s::json)
  as r(agent_id text, hook text, event text, status text, count bigint)
order by agent_id, hook, event, status
on conflict (agent_id, hook, event, status) do update set count = hook_counts.count + excluded.count
""",
    NoRow,
)
"""Adds to the counts; in one order, so that two fronts can't deadlock."""


def write(store: StoreConnection, recorded: Sequence[Recorded], counts: Mapping[Counted, int]) -> None:
    """Write deliveries and add to the counts. Raises `StoreAwayError`."""
    if counts:
        store.fetch(COUNT, {"rows": json_rows({**key._asdict(), "count": n} for key, n in counts.items())})
    if not recorded:
        return
    bodies = Blob()
    store.fetch(RECORD, {"rows": json_rows(_rows(recorded, bodies)), "bodies": bodies.value})
    hooks = {(one.agent_id, one.hook, one.status) for one in recorded}
    asked = json_rows({"agent_id": agent, "hook": hook, "status": status} for agent, hook, status in sorted(hooks))
    store.fetch(PRUNE, {"hooks": asked, "kept": KEPT, "bytes": KEPT_BYTES})


def _rows(recorded: Iterable[Recorded], bodies: Blob) -> Iterable[dict[str, Any]]:
    for one in recorded:
        body_at, body_size = bodies.add(one.body[:BODY_BYTES] or None)
        yield {
            "id": one.id,
            "agent_id": one.agent_id,
            "hook": one.hook,
            "status": one.status,
            "reason": one.reason,
            "source": one.source,
            "event": one.event,
            "delivery_id": one.delivery_id,
            "session_id": one.session_id,
            "interaction_id": one.interaction_id,
            "method": one.method,
            "path": one.path,
            "headers": dumps([list(pair) for pair in one.headers]).decode(),
            "body_at": body_at,
            "body_size": body_size,
            "size": one.size,
        }
