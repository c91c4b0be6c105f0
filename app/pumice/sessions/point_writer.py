"""What each turn of a leased session leaves as a point, and how the session's state is written.

A small state is written in full with each turn that changes it, so that SQL can look into it. A large one is written as
its difference from the keyframe; the row then says that it is `stale`. Both leave the same kind of point.
"""

import secrets
from dataclasses import dataclass

from pumice.agents.turn import Outcome
from pumice.sessions.claim import ClaimedSession
from pumice.sessions.deltas import SAME, encode, pack, unpack

SMALL_STATE = 8_192
"""Bytes of a state up to which it is written in full."""
SPARE = 512
"""Bytes that a difference may always have before a new keyframe is made; beyond, a quarter of the keyframe."""
NO_STATE = 0
"""The keyframe of a point at which there is no state yet."""


@dataclass(frozen=True, slots=True)
class Point:
    """What a turn left.

    keyframe, delta: where the state is found; no keyframe when no point is kept.
    text: the state, if the turn changed it or a keyframe was made; it is told as `told`, the difference from `base`.
    made, made_as: the keyframe, compressed, and its id, if a new one was made.
    replaces_history: whether what was said before the session was claimed no longer belongs to the conversation.
    """

    keyframe: int | None
    delta: bytes | None
    history_start: int
    message_count: int
    replaces_history: bool
    text: bytes | None = None
    told: bytes | None = None
    base: bytes | None = None
    made: bytes | None = None
    made_as: int | None = None


class PointWriter:
    """Tells the states of one session, turn by turn, as differences from its keyframe."""

    __slots__ = (
        "_base", "_cut", "_delta", "_history_start", "_keeps", "_keyframe", "_message_count", "_packed", "_text",
    )  # fmt: skip

    def __init__(self, claimed: ClaimedSession, *, keeps: bool) -> None:
        """Begin where the session was claimed. keeps: whether its points are kept."""
        self._packed = claimed.base
        self._keyframe = claimed.keyframe
        self._base: bytes | None = None
        self._text = None if claimed.state is None else claimed.state.encode()
        self._delta = claimed.state_delta
        self._history_start = claimed.history_start
        self._message_count = claimed.message_count
        self._keeps = keeps
        self._cut = False

    def add(self, outcome: Outcome) -> Point:
        """The point that a turn leaves."""
        if outcome.replaces_history:
            self._history_start, self._cut = self._message_count, True
        self._message_count += len(outcome.messages)
        text = None if outcome.state is None else outcome.state.encode()
        made = None
        if text is not None:
            self._text, self._delta = text, None
        if self._text is not None and self._delta is None and (self._keeps or len(self._text) > SMALL_STATE):
            made = self._tell(self._text)
            text = self._text if made is not None else text
        kept = self._keyframe if self._text is not None else NO_STATE
        return Point(
            kept if self._keeps else None,
            self._delta if self._keeps else None,
            self._history_start,
            self._message_count,
            self._cut,
            text,
            self._delta,
            self._base,
            made,
            None if made is None else self._keyframe,
        )

    def _tell(self, text: bytes) -> bytes | None:
        """Find the difference that gives the text. Returns the keyframe, compressed, if it becomes a new one."""
        if self._packed is not None and self._keyframe is not None and self._has_kept_keyframe():
            if self._base is None:
                self._base = unpack(self._packed)
            self._delta = encode(self._base, text)
            if len(self._delta) <= SPARE + len(self._packed) // 4:
                return None
        self._packed, self._base, self._delta = pack(text), text, SAME
        self._keyframe = new_keyframe() if self._keeps else -new_keyframe()
        return self._packed

    def _has_kept_keyframe(self) -> bool:
        """Whether points may refer to the keyframe: one that was made while none were kept is not among keyframes."""
        return not self._keeps or (self._keyframe or 0) > 0


def new_keyframe() -> int:
    """A keyframe's id, which no other keyframe has, of any session that ever had this one's name."""
    return secrets.randbits(62) + 1
