"""Accept a lone chat and claim its session in one statement: what a chat that was handed over begins with.

The general way is `ACCEPT` and then a claim. This one takes a session that is free, or new, and in which nothing else
is due; then the chat is all the work that there is, and nothing of it has to be read again.
"""

from datetime import datetime
from typing import Any, LiteralString, NamedTuple

from pumice.agents.names import is_temporary_id
from pumice.agents.turn import Work
from pumice.sessions.accept import WAKE_GRACE, NewInteraction
from pumice.sessions.claim import SESSION_COLUMNS, ClaimedSession, Leased, claimed_session
from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import Statement

LEASE_COLUMNS: LiteralString = "lease_token, lease_worker, lease_until, leased_at"
LEASE_VALUES: LiteralString = (
    "%(token)s::bigint, %(worker)s::bigint, now() + %(lease)s::float8 * interval '1 second', now()"
)


class _Taken(NamedTuple):
    agent_id: str
    id: str
    state: str | None
    state_delta: bytes | None
    base: bytes | None
    keyframe: int | None
    state_version: int
    version: int
    history_start: int
    message_count: int
    transcript: list[list[int]] | None
    quiet: bool
    probation: bool
    timezone: str | None
    seq: int
    accepted_at: datetime


ACCEPTED: LiteralString = """
with accepted as (
  insert into interactions (id, agent_id, session_id, kind, payload, wake_at, reply_to)
  values (%(id)s::uuid, %(agent)s::text, %(session)s::text, 'chat', %(payload)s::json,
    now() + %(grace)s::float8 * interval '1 second', %(reply_to)s::text)
  on conflict do nothing
  returning seq, accepted_at
), made as (
  insert into sessions as s (agent_id, id, temporary, expires_at, """
MADE: LiteralString = """)
  select %(agent)s::text, %(session)s::text, %(temporary)s::bool,
    case when %(temporary)s::bool then now() + %(ttl)s::float8 * interval '1 second' end, """
FREE: LiteralString = """
), free as (
  select s.agent_id, s.id from sessions s
  where s.agent_id = %(agent)s::text and s.id = %(session)s::text and s.lease_token is null and not s.probation
    and (s.blocked_until is null or s.blocked_until <= now()) and (select true from accepted)
    and not coalesce((select true from interactions i where i.agent_id = s.agent_id and i.session_id = s.id
      and i.status = 'queued' and i.available_at <= now() order by i.seq limit 1), false)
  for update of s skip locked
), leased as (
  update sessions s set ("""
LEASED: LiteralString = """)
  from free f where s.agent_id = f.agent_id and s.id = f.id returning """
TAKEN: LiteralString = """
)
select t.*, a.seq, a.accepted_at from (select * from made union all select * from leased) t cross join accepted a
"""
MAKING: LiteralString = (
    ACCEPTED + LEASE_COLUMNS + MADE + LEASE_VALUES + " from accepted on conflict do nothing returning "
)
LEASING: LiteralString = FREE + LEASE_COLUMNS + ") = row(" + LEASE_VALUES + LEASED + SESSION_COLUMNS + TAKEN

TAKE_CHAT = Statement("take_chat", MAKING + SESSION_COLUMNS + LEASING, _Taken)
"""Accepts a chat and, if its session is free and has nothing else to do, leases that.

The interactions that it sees are those from before it began, so work whose turn ends just now keeps it from leasing;
the session's row is the newest. A row that another transaction holds is not waited for: what others accept meanwhile
would be run before this chat, which has its place in their order already.
A repetition, after its connection was lost, accepts and leases nothing.
"""


def take_chat(
    store: StoreConnection,
    chat: NewInteraction,
    *,
    token: int,
    worker_id: int,
    lease_seconds: float,
    temporary_ttl: float,
) -> ClaimedSession | None:
    """Accept a chat and claim its session with it. `token` must be new. temporary_ttl: seconds.

    Returns None if the session could not be claimed so, or the chat was accepted before. Raises `StoreAwayError`, and
    `StoreBusyError` when others hold the session for too long.
    """
    parameters: dict[str, Any] = {
        "id": chat.id,
        "agent": chat.agent_id,
        "session": chat.session_id,
        "payload": chat.payload,
        "grace": WAKE_GRACE,
        "reply_to": chat.reply_to,
        "temporary": chat.temporary or is_temporary_id(chat.session_id),
        "ttl": temporary_ttl,
        "token": token,
        "worker": worker_id,
        "lease": lease_seconds,
    }
    rows = store.fetch(TAKE_CHAT, parameters, again=True, hasty=True)
    if not rows:
        return None
    *session, seq, accepted_at = rows[0]
    claimed = claimed_session(Leased._make(session), token)
    answers = "" if claimed.quiet else None
    claimed.work.append(
        Work(chat.id, seq, "chat", None, chat.payload, accepted_at=accepted_at, reply_to=chat.reply_to, answers=answers)
    )
    return claimed
