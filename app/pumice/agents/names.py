"""What ids and names may look like."""

import re
import unicodedata

from pumice.errors import InvalidField

AGENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
HOOK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,126}")
SESSION_ID_LENGTH = 255
KEY_LENGTH = 255
SNAPSHOT_NAME_LENGTH = 127
UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
RESERVED_PREFIX = "$"
"""Begins the ids of sessions that Pumice makes for itself."""
TEMPORARY_ID = re.compile(r"tmp-[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


def checked_session_id(value: object, field: str = "sessionId") -> str:
    """The value as a session id: 1 to 255 characters, none of them control characters.

    Whole numbers are taken as text. Raises `InvalidField`.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise InvalidField(field, "must be a string")
    if not 1 <= len(value) <= SESSION_ID_LENGTH:
        raise InvalidField(field, f"must have 1 to {SESSION_ID_LENGTH} characters")
    if not value.isprintable() and any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise InvalidField(field, "must not contain control characters")
    if value.startswith(RESERVED_PREFIX):
        raise InvalidField(field, f"must not start with {RESERVED_PREFIX}")
    return value


def is_temporary_id(session_id: str) -> bool:
    """Whether Pumice gave this id to a temporary session. A session of such an id is temporary whenever it is made."""
    return session_id.startswith("tmp-") and TEMPORARY_ID.fullmatch(session_id) is not None


def static_session_id(job: str) -> str:
    """The id of the session whose queue a static job's runs go through."""
    return f"{RESERVED_PREFIX}static:{job}"


def checked_key(key: str, field: str) -> str:
    """A delivery id or idempotency key, as it can be stored. Raises `InvalidField`."""
    key = key.strip()
    if not is_key(key):
        raise InvalidField(field, f"must have 1 to {KEY_LENGTH} printable characters")
    return key


def is_key(text: str) -> bool:
    """Whether the text can be stored as a delivery id or idempotency key."""
    return 1 <= len(text) <= KEY_LENGTH and text.isprintable()


def checked_snapshot_name(value: object) -> str:
    """The value as a snapshot's name: as a session id is, and no interaction id. Raises `InvalidField`."""
    name = checked_session_id(value, "name")
    if len(name) > SNAPSHOT_NAME_LENGTH:
        raise InvalidField("name", f"must have 1 to {SNAPSHOT_NAME_LENGTH} characters")
    if UUID_FORM.fullmatch(name):
        raise InvalidField("name", "must not look like an interaction id")
    return name
