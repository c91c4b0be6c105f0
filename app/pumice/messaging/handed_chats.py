"""Chats that a front hands to a worker before they are accepted.

The worker accepts such a chat as it claims its session, in one round trip; the commit of the turn makes both durable,
since Postgres writes its log in order. Its front tells the client of nothing but a finished turn. What is not finished
within a moment the front accepts itself, under the same id: so a message that is lost, or comes late, changes nothing.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from pumice.messaging.wakes import QUEUE_OF_KIND, RUN_SESSIONS, TaskMessage, queue_of
from pumice.sessions.accept import NewInteraction

LATEST = 5.0
"""Seconds, by its id, after which a chat that was handed over is not accepted from its message any more: its front has
done that, or has told the client that it could not."""
FIELDS = 6
MOST = 1_000
"""Sessions with waiting chats from which on late ones are dropped: their sessions never came to be claimed."""


def handed_over(chat: NewInteraction, release: str = "") -> TaskMessage:
    """The message to a release's workers: a wake that carries the chat."""
    fields = [chat.id, chat.agent_id, chat.session_id, chat.payload, chat.temporary, chat.reply_to]
    queue = queue_of(QUEUE_OF_KIND[chat.kind], release)
    return TaskMessage(queue, RUN_SESSIONS, [[[chat.agent_id, chat.session_id]], [fields]])


def read_chats(arguments: Sequence[Any]) -> list[NewInteraction]:
    """The chats that a wake with these arguments carries; those of another form, and late ones, are left out."""
    if len(arguments) < 2 or not isinstance(arguments[1], list):  # noqa: PLR2004 (keys and chats)
        return []
    return [chat for fields in arguments[1] if (chat := _read(fields)) is not None]


def _read(fields: Any) -> NewInteraction | None:
    if not isinstance(fields, list) or len(fields) != FIELDS or not all(isinstance(one, str) for one in fields[:4]):
        return None
    chat_id, agent_id, session_id, payload, temporary, reply_to = fields
    if not isinstance(temporary, bool) or not isinstance(reply_to, str) or not _is_young(chat_id):
        return None
    return NewInteraction(
        chat_id, agent_id, session_id, "chat", None, payload, temporary=temporary, unnamed=temporary, reply_to=reply_to
    )


def _is_young(interaction_id: str) -> bool:
    """Whether an id, a UUID version 7, was made just now."""
    try:
        made = (UUID(interaction_id).int >> 80) / 1000
    except ValueError:
        return False
    return time.time() - made < LATEST


class HandedChats:
    """A worker's chats that were handed over and wait for their session's claim. Safe for threads."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], list[NewInteraction]] = {}
        self._lock = threading.Lock()

    def put(self, chats: Iterable[NewInteraction]) -> None:
        """Keep chats; when there are very many, not those that are late."""
        with self._lock:
            if len(self._waiting) > MOST:
                self._waiting = {key: some for key, some in self._waiting.items() if _is_young(some[-1].id)}
            for chat in chats:
                self._waiting.setdefault((chat.agent_id, chat.session_id), []).append(chat)

    def take(self, keys: Iterable[Sequence[str]]) -> list[NewInteraction]:
        """Take out what waits for these sessions and is not late."""
        if not self._waiting:
            return []
        with self._lock:
            found = [chat for key in keys for chat in self._waiting.pop((key[0], key[1]), ())]
        return [chat for chat in found if _is_young(chat.id)]
