"""Secrets that senders hand over in a handshake. They count once an operator has accepted them.

A stranger can hand over a secret as well: what is not accepted verifies nothing, and of each hook the newest few wait.
"""

from datetime import datetime
from typing import NamedTuple

from pumice.agents.context import new_id
from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import NoRow, Statement

PENDING = 20
"""Secrets of one hook that may wait to be accepted."""
LONGEST = 1_000


class HandedSecret(NamedTuple):
    """A secret that a sender handed over. accepted_at: None while it does not count."""

    id: str
    hook: str
    secret: str
    received_at: datetime
    accepted_at: datetime | None


class _Secret(NamedTuple):
    secret: str


class _Id(NamedTuple):
    id: str


HAND_OVER = Statement(
    "hand_over_secret",
    """
with kept as (
  select id from hook_secrets where agent_id = %(agent)s and hook = %(hook)s and accepted_at is null
  order by id desc offset %(pending)s - 1
), gone as (
  delete from hook_secrets using kept where hook_secrets.id = kept.id
)
insert into hook_secrets (id, agent_id, hook, secret)
select %(id)s::uuid, %(agent)s, %(hook)s, %(secret)s
where not exists (select from hook_secrets where agent_id = %(agent)s and hook = %(hook)s and secret = %(secret)s)
""",
    NoRow,
)
"""Notes a secret, unless it is known, and forgets the oldest that waited too long."""

ACCEPTED = Statement(
    "read_accepted_secrets",
    "select secret from hook_secrets where agent_id = %(agent)s and hook = %(hook)s and accepted_at is not null"
    " order by id desc",
    _Secret,
)
"""The secrets that count."""

LIST = Statement(
    "list_hook_secrets",
    "select id::text as id, hook, secret, received_at, accepted_at from hook_secrets where agent_id = %(agent)s"
    " order by hook, id desc",
    HandedSecret,
)
"""All of an agent's."""

ACCEPT = Statement(
    "accept_hook_secret",
    "update hook_secrets set accepted_at = coalesce(accepted_at, now())"
    " where agent_id = %(agent)s and id = %(id)s::uuid returning id::text as id",
    _Id,
)
"""Has a secret count."""

REMOVE = Statement(
    "remove_hook_secret",
    "delete from hook_secrets where agent_id = %(agent)s and id = %(id)s::uuid returning id::text as id",
    _Id,
)
"""Forgets a secret."""


def hand_over(store: StoreConnection, agent_id: str, hook: str, secret: str) -> None:
    """Note a secret that a sender handed over. Raises `StoreAwayError`."""
    secret = secret[:LONGEST].replace("\x00", "")
    key = {"id": new_id(), "agent": agent_id, "hook": hook, "secret": secret, "pending": PENDING}
    store.fetch(HAND_OVER, key)


def accepted_secrets(store: StoreConnection, agent_id: str, hook: str) -> tuple[str, ...]:
    """The secrets of a hook that count. Raises `StoreAwayError`."""
    return tuple(row.secret for row in store.fetch(ACCEPTED, {"agent": agent_id, "hook": hook}))


def list_secrets(store: StoreConnection, agent_id: str) -> list[HandedSecret]:
    """All secrets that an agent's senders handed over. Raises `StoreAwayError`."""
    return list(store.fetch(LIST, {"agent": agent_id}))


def accept_secret(store: StoreConnection, agent_id: str, secret_id: str) -> bool:
    """Have a secret count. Returns false when there is none of this id. Raises `StoreAwayError`."""
    return bool(store.fetch(ACCEPT, {"agent": agent_id, "id": secret_id}))


def remove_secret(store: StoreConnection, agent_id: str, secret_id: str) -> bool:
    """Forget a secret. Returns false when there is none of this id. Raises `StoreAwayError`."""
    return bool(store.fetch(REMOVE, {"agent": agent_id, "id": secret_id}))
