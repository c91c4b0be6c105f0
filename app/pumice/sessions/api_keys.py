"""API keys: made once and shown once; only their SHA-256 is stored.

A key has 256 random bits, so a plain hash can't be searched for it and no slow password hash is needed.
"""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

import psycopg

from pumice.sessions.away import address
from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import Statement

KeyKind = Literal["public", "secret"]
PREFIX_LENGTH = 12


class ValidKey(NamedTuple):
    """A key that is not revoked, as it is stored."""

    hash: bytes
    kind: str
    agent_id: str


FIND = Statement(
    "find_key",
    "select hash, kind, agent_id from api_keys where hash = %(hash)s and revoked_at is null",
    ValidKey,
)
"""A key that is not revoked."""


class _Hash(NamedTuple):
    hash: bytes


FIND_VALID = Statement(
    "find_valid_keys",
    "select hash from api_keys where hash = any(%(hashes)s) and revoked_at is null",
    _Hash,
)
"""Which of these keys are not revoked."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as it is listed: never the key itself."""

    prefix: str
    kind: str
    agent_id: str
    created_at: datetime
    revoked_at: datetime | None


def hash_key(key: str) -> bytes:
    """What is stored of a key, and looked up."""
    return hashlib.sha256(key.encode(errors="surrogatepass")).digest()


def create_key(database_url: str, agent_id: str, kind: KeyKind) -> str:
    """Make a key for an agent. Returns it; it can't be shown again. Raises `psycopg.Error`."""
    key = f"{'pub' if kind == 'public' else 'sec'}_{secrets.token_urlsafe(32)}"
    with psycopg.connect(address(database_url), prepare_threshold=None) as connection:
        connection.execute("insert into agents (id) values (%s) on conflict do nothing", (agent_id,))
        connection.execute(
            "insert into api_keys (hash, prefix, kind, agent_id) values (%s, %s, %s, %s)",
            (hash_key(key), key[:PREFIX_LENGTH], kind, agent_id),
        )
    return key


def list_keys(database_url: str, agent_id: str | None = None) -> list[KeyRow]:
    """List keys, of one agent or all, oldest first. Raises `psycopg.Error`."""
    with psycopg.connect(address(database_url), prepare_threshold=None) as connection:
        rows = connection.execute(
            "select prefix, kind, agent_id, created_at, revoked_at from api_keys"
            " where %(agent)s::text is null or agent_id = %(agent)s order by created_at, prefix",
            {"agent": agent_id},
        ).fetchall()
    return [KeyRow(*row) for row in rows]


def find_valid_keys(database_url: str, key: str) -> list[KeyRow]:
    """The keys, not revoked, that `key` stands for: one that is that very key, else those whose prefix begins so.

    Raises `psycopg.Error`.
    """
    with psycopg.connect(address(database_url), prepare_threshold=None) as connection:
        rows = connection.execute(
            "select prefix, kind, agent_id, created_at, revoked_at from api_keys"
            " where revoked_at is null and (hash = %(hash)s or starts_with(prefix, %(key)s))"
            " order by created_at, prefix",
            {"hash": hash_key(key), "key": key},
        ).fetchall()
    return [KeyRow(*row) for row in rows]


def revoke_key(database_url: str, prefix: str) -> bool:
    """Revoke the key with this prefix. Returns whether it was valid until now. Raises `psycopg.Error`."""
    with psycopg.connect(address(database_url), prepare_threshold=None) as connection:
        revoked = connection.execute(
            "update api_keys set revoked_at = now() where prefix = %s and revoked_at is null", (prefix,)
        )
        return revoked.rowcount == 1


def find_key(store: StoreConnection, digest: bytes) -> list[ValidKey]:
    """The valid key with this hash, if there is one. Raises `StoreAwayError`."""
    return store.fetch(FIND, {"hash": digest}, again=True)


def find_valid(store: StoreConnection, digests: Collection[bytes]) -> set[bytes]:
    """Those of these hashes that are of keys which are not revoked. Raises `StoreAwayError`."""
    return {bytes(row.hash) for row in store.fetch(FIND_VALID, {"hashes": list(digests)}, again=True)}
