"""What a chat asks for, read from what its client sent."""

from collections.abc import Iterable, Mapping
from typing import Any

from pumice.agents.context import to_json
from pumice.agents.messages import Message, decode_messages
from pumice.agents.spec import AgentSpec
from pumice.errors import InvalidField, UnknownHook

CHAT_SOURCE = "chat"
"""Among what a chat's Idempotency-Key is looked for, in its session."""


def chat_payload(spec: AgentSpec, body: Mapping[str, Any], *, secret: bool = False) -> str:
    """The payload of a chat interaction, as JSON.

    secret: it came with a secret key, and may have messages of any role.
    Raises `InvalidField`, and `UnknownHook` for an agent that does not chat.
    """
    if not spec.can_chat:
        raise UnknownHook(f"The agent {spec.id} has no reply() and no model.")
    messages = decode_messages(body.get("messages"))
    if not secret:
        _check_roles(spec, messages)
    history = body.get("history", "append")
    if not isinstance(history, str) or history not in {"append", "replace"}:
        raise InvalidField("history", 'must be "append" or "replace"')
    return to_json({"messages": [one.encode() for one in messages], "history": history}, "messages")


def _check_roles(spec: AgentSpec, messages: Iterable[Message]) -> None:
    """Refuse messages that a public key may not send: what a client says must not pass for what the agent said."""
    allowed = spec.cls.roles
    for index, one in enumerate(messages):
        if one.role not in allowed:
            known = " or ".join(sorted(allowed))
            raise InvalidField(f"messages[{index}].role", f"must be {known} with a public key, not {one.role}")
