"""Repeats: what came before under the same dedupe key, or, after a lost connection, with the same id.

A key is known in its agent, source and session; one that came without a session, among those without one. A repeat of
what is queued or done is that interaction. A repeat of what failed queues it again, as its next attempt: one repeat
does, and those that come at the same moment wait for it with that one. What was cancelled or dropped for a newer chat
stays so: its repeat is told so. A key is free again once its interaction is finished and older than the window.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.parameters import json_rows
from pumice.sessions.statements import NoRow, Statement


class Repeat(NamedTuple):
    """What may be a repeat: the id that it would have, and how it would be recognised."""

    id: str
    agent_id: str
    session_id: str
    source: str | None
    key: str | None
    unnamed: bool
    fingerprint: str | None
    reply_to: str | None


class Recognised(NamedTuple):
    """The interaction that a repeat is answered with; see `Accepted`."""

    id: str
    session_id: str
    duplicate: bool
    revived: bool = False
    differs: bool = False


class _Known(NamedTuple):
    """An interaction that is there. wanted: the id of its repeat. stale: it is finished, and older than the window."""

    wanted: str
    id: str
    session_id: str
    fingerprint: str | None
    attempts: int
    failed: bool
    stale: bool


class _Revived(NamedTuple):
    id: str


FIND = Statement(
    "find_repeats",
    """
select w.id::text as wanted, i.id::text as id, i.session_id, i.fingerprint, i.attempts,
  i.status in ('failed', 'dead') as failed,
  i.status <> 'queued' and i.accepted_at < now() - %(window)s * interval '1 second' as stale
from json_to_recordset(%(rows)s::json) as w(id uuid, agent_id text, session_id text, source text, key text,
  unnamed boolean)
cross join lateral (
  select * from interactions o where o.id = w.id
  union all
  select * from interactions n where n.agent_id = w.agent_id and n.dedupe_source = w.source
    and n.session_id = w.session_id and n.dedupe_key = w.key and n.id <> w.id
  union all
  select * from interactions u where w.unnamed and u.dedupe_unnamed and u.agent_id = w.agent_id
    and u.dedupe_source = w.source and u.dedupe_key = w.key and u.id <> w.id
) i
""",
    _Known,
)
"""Finds interactions by id or by dedupe key, and says which have failed and which are past the window."""

FORGET = Statement(
    "forget_dedupe_keys",
    "update interactions set dedupe_key = null, dedupe_unnamed = null where id = any(%(ids)s::uuid[])",
    NoRow,
)
"""Frees dedupe keys that are past the window."""

REVIVE = Statement(
    "revive_failed",
    """
with wanted as (
  select * from json_to_recordset(%(rows)s::json) as w(id uuid, attempts int, reply_to text)
), failed as (
  select i.id, w.reply_to from interactions i join wanted w on w.id = i.id
  where i.status in ('failed', 'dead') and i.attempts = w.attempts order by i.id for update of i
), revived as (
  update interactions i set status = 'queued', reason = null, reason_code = null, result = null, woken_at = null,
    started_at = null, finished_at = null, lease_token = null, reply_to = f.reply_to, available_at = now(),
    wake_at = now() + %(grace)s * interval '1 second'
  from failed f where i.id = f.id
  returning i.id, i.agent_id, i.session_id, i.dedupe_unnamed
), made as (
  insert into sessions (agent_id, id, temporary, expires_at)
  select agent_id, session_id, bool_and(dedupe_unnamed is not null),
    case when bool_and(dedupe_unnamed is not null) then now() + %(ttl)s * interval '1 second' end
  from revived group by agent_id, session_id order by agent_id, session_id
  on conflict do nothing
)
select id::text as id from revived
""",
    _Revived,
)
"""Queues failed interactions again, with their attempts and errors kept, unless another repeat has done so meanwhile;
makes their temporary sessions anew if those are over."""


KEEP = Statement(
    "keep_accepted",
    "update interactions set wake_at = wake_at where id = any(%(ids)s::uuid[]) and status = 'queued'",
    NoRow,
)
"""Writes what is there already once more: a worker may have accepted it without waiting for the disk (see
`pumice.messaging.handed_chats`), and the commit of this statement waits for all that was written before."""


def find_repeats(
    store: StoreConnection, wanted: Sequence[Repeat], *, window: float, ttl: float, grace: float
) -> dict[str, Recognised]:
    """Find what these are repeats of, and queue again what of it has failed.

    Returns what was found, by the ids of the repeats. A key past the window is freed: what came under it is not found,
    and can be accepted. window, ttl, grace: seconds.
    """
    rows = store.fetch(FIND, {"rows": json_rows(one._asdict() for one in wanted), "window": window})
    if stale := [row.id for row in rows if row.stale and row.id != row.wanted]:
        store.fetch(FORGET, {"ids": stale})
    if kept := [row.id for row in rows if row.id == row.wanted]:
        store.fetch(KEEP, {"ids": kept})
    repeats = {one.id: one for one in wanted}
    found: dict[str, Recognised] = {}
    failed: dict[str, _Known] = {}
    for row in rows:
        if row.id == row.wanted:
            found[row.wanted] = Recognised(row.id, row.session_id, duplicate=False)
        elif not row.stale and row.wanted not in found:
            given = repeats[row.wanted].fingerprint
            differs = given is not None and row.fingerprint is not None and given != row.fingerprint
            found[row.wanted] = Recognised(row.id, row.session_id, duplicate=True, differs=differs)
            if row.failed and not differs:
                failed.setdefault(row.id, row)
    for row in _revive(store, failed, repeats, ttl, grace):
        found[row.wanted] = found[row.wanted]._replace(revived=True)
    return found


def _revive(
    store: StoreConnection, failed: dict[str, _Known], repeats: dict[str, Repeat], ttl: float, grace: float
) -> list[_Known]:
    """Queue these again. Returns those that nobody else had queued."""
    if not failed:
        return []
    rows = [
        {"id": row.id, "attempts": row.attempts, "reply_to": repeats[row.wanted].reply_to} for row in failed.values()
    ]
    revived = store.fetch(REVIVE, {"rows": json_rows(rows), "ttl": ttl, "grace": grace})
    return [failed[row.id] for row in revived]
