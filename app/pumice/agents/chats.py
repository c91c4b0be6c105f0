"""What a chat asks for, read from what its client sent."""

from collections.abc import Mapping
from typing import Any

from pumice.agents.context import to_json
from pumice.agents.messages import decode_messages
from pumice.agents.spec import AgentSpec
from pumice.errors import InvalidField, UnknownHook


def chat_payload(spec: AgentSpec, body: Mapping[str, Any]) -> str:
    """The payload of a chat interaction, as JSON.

    Raises `InvalidField`, and `UnknownHook` for an agent that does not chat.
    """
    if not spec.can_chat:
        raise UnknownHook(f"The agent {spec.id} has no reply() and no model.")
    messages = decode_messages(body.get("messages"))
    history = body.get("history", "append")
    if not isinstance(history, str) or history not in {"append", "replace"}:
        raise InvalidField("history", 'must be "append" or "replace"')
    return to_json({"messages": [one.encode() for one in messages], "history": history}, "messages")


def chat_source(only: str | None) -> str:
    """Among which chats a repeat is looked for; `only` is the one session that the client's token names, if it does.

    A client with a session token must get no other session's answer.
    """
    return "chat" if only is None else f"chat:{only}"
