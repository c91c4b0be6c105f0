"""Which release of the code runs a session: a share of an agent's sessions, by a hash, goes to a canary's workers."""

from hashlib import md5
from typing import Any, NamedTuple

from pumice.errors import InvalidField
from pumice.settings import RELEASE_NAME

STABLE = ""
"""The release of workers for which RELEASE is not set. They run what no canary takes."""
STABLE_NAME = "stable"
"""What requests call it."""
REPLAY_AT = "$replay@"
"""Begins the ids of sessions in which a replay runs on a release: then its name, a colon and the rest."""
PARTS = 10_000
"""A share is so many of these parts: hundredths of a percent."""


class Share(NamedTuple):
    """The sessions of a canary: those whose hash falls among the first `parts` of `PARTS`, not the first `above`."""

    release: str
    parts: int
    above: int = 0

    def has(self, session_id: str) -> bool:
        """Whether a session is among them. Another release has other ones; a larger share has those of a smaller."""
        return self.above <= part_of(self.release, session_id) < self.parts


def part_of(release: str, session_id: str) -> int:
    """The part of `PARTS` into which a session falls, from 0: the first 32 bits of an MD5 of release and id."""
    digest = md5(f"{release}:{session_id}".encode(), usedforsecurity=False).hexdigest()
    return int(digest[:8], 16) % PARTS


def checked_release(value: Any, field: str = "release") -> str:
    """The value as a release's name. Raises `InvalidField`."""
    if not isinstance(value, str) or not RELEASE_NAME.fullmatch(value):
        raise InvalidField(field, "must be 1 to 64 letters, digits, dots, dashes or underscores")
    return value


def checked_percent(value: Any, field: str = "percent") -> int:
    """A percentage as parts of `PARTS`. Raises `InvalidField`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100:  # noqa: PLR2004
        raise InvalidField(field, "must be a number above 0 and up to 100")
    return max(1, round(value * PARTS / 100))
