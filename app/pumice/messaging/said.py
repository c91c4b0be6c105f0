"""What a user said, as an event of its session: by it another tab, or a page that comes back, shows the question too.

A chat's user messages come as `message` events before anything else of its turn: before the first text or data that it
streams, or once it is slow, else with its reply, after the commit. They travel with those, so they cost no round trip
of their own. A turn that is tried again may say them again; streams drop what they have had (`said_by`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pumice.agents.json_text import loads
from pumice.messaging.events import Event
from pumice.sessions.leases import Lease

_HEAD = b'{"type":"message","interactionId":"'
_ID_LENGTH = 36
_TAIL = b'","message":{"role":"user"'


def said_events(
    lease: Lease, interaction_id: str, messages: Sequence[Mapping[str, Any]], *, replaces: bool
) -> Iterator[Event]:
    """What the user says with the messages of a chat. Of a transcript that is sent whole, only the last one is new."""
    for message in messages[-1:] if replaces else messages:
        if message["role"] == "user":
            shown = {"role": "user", "content": message["content"]}
            yield Event(
                lease.agent_id, lease.session_id, "message", {"interactionId": interaction_id, "message": shown}
            )


def said_by(event: bytes) -> str | None:
    """The interaction in which a user said what this event tells; None for any other event."""
    end = len(_HEAD) + _ID_LENGTH
    if event.startswith(_HEAD) and event.startswith(_TAIL, end):
        return event[len(_HEAD) : end].decode()
    return None


def interaction_of(event: bytes) -> str | None:
    """The interaction that a session event is of."""
    found = loads(event).get("interactionId")
    return found if isinstance(found, str) else None
