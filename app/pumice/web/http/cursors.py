"""Event ids: where a stream stands in its session's events and, on a chat's stream, which interaction it tells of.

An id is opaque to clients: `<position>[+<number>][~<interaction>[.m|.e]]`. The position is a session event's id in
Redis (`1700000000000-0`); the number tells a stream's own frames, which come after that event, apart; `.m` and `.e` say
that the interaction's reply, or its end, has been sent. So a client that comes back with an id need say nothing else.
"""

import re
from dataclasses import dataclass

NEVER = "0-0"
"""The position of a watch that has not reached Redis yet."""
MESSAGE, END = "m", "e"
_LARGEST = 2**64
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_ID = re.compile(rf"([0-9]{{1,20}}-[0-9]{{1,20}})(?:[+ ][0-9]{{1,10}})?(?:~({_UUID})(?:\.([me]))?)?")


@dataclass(frozen=True, slots=True)
class Cursor:
    """What an event id says. `position` is None when it is no event id; `told` is empty, `MESSAGE` or `END`."""

    position: str | None
    interaction_id: str | None = None
    told: str = ""


def read_cursor(last_event_id: str | None) -> Cursor | None:
    """The cursor in the event id that a client saw last; None when it gives none.

    A space is taken for the `+` that an address was not escaped for.
    """
    if not last_event_id:
        return None
    found = _ID.fullmatch(last_event_id)
    if found is None or max(_place(found[1])) >= _LARGEST:
        return Cursor(None)
    return Cursor(found[1], found[2], found[3] or "")


def own_id(position: str, number: int) -> str:
    """The id of a stream's own frame, which comes after the session event at `position`."""
    return f"{position}+{number}"


def of_interaction(event_id: str, interaction_id: str, told: str) -> str:
    """The id of a frame on the stream of an interaction."""
    return f"{event_id}~{interaction_id}.{told}" if told else f"{event_id}~{interaction_id}"


def is_after(one: str, other: str) -> bool:
    """Whether one position is newer than another."""
    return _place(one) > _place(other)


def following(position: str) -> str:
    """The least position after this one; `(id`, which says the same to Redis, needs its version 6.2."""
    milliseconds, number = _place(position)
    return f"{milliseconds}-{number + 1}" if number + 1 < _LARGEST else f"{milliseconds + 1}-0"


def _place(position: str) -> tuple[int, int]:
    milliseconds, _, number = position.partition("-")
    return int(milliseconds), int(number)
