"""What a chat asks for, read from what its client sent."""

from collections.abc import Mapping
from typing import Any

from pumice.agents.context import to_json
from pumice.agents.messages import decode_messages
from pumice.agents.spec import AgentSpec
from pumice.errors import InvalidField, UnknownHook

CHAT_SOURCE = "chat"
"""Among what a chat's Idempotency-Key is looked for, in its session."""


def chat_payload(spec: AgentSpec, body: Mapping[str, Any]) -> str:
    """The payload of a chat interaction, as JSON.

    Raises `InvalidField`, and `UnknownHook` for an agent that does not chat.
    """
    if not spec.can_chat:
        raise UnknownHook(f"The agent {spec.id} has no reply() and no model.")
    messages = decode_messages(body.get("messages"))
    history = body.get("history", "append")
    if history not in {"append", "replace"}:
        raise InvalidField("history", 'must be "append" or "replace"')
    return to_json({"messages": [one.encode() for one in messages], "history": history}, "messages")
