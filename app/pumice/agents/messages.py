"""One message of a session's conversation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pumice.errors import InvalidField

ROLES = ("user", "assistant", "system", "tool")

FIELDS = ("name", "tool_calls", "tool_call_id", "function_call", "refusal", "audio", "annotations")
"""What else an OpenAI-style message may have beside its role and content, and keeps."""
INSTEAD = ("tool_calls", "function_call", "refusal", "audio")
"""Of these, what an assistant may say in place of a content."""
KEPT = "fields"
"""The key in a message's `data` under which they are kept."""

Content: TypeAlias = str | list[dict[str, Any]] | None
"""Text, or a list of parts as multimodal clients send them; None in a message that calls tools and says nothing."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message: who said it (`role`), what (`content`), and what a model needs to see it again (`data`).

    `content` is text, a list of JSON objects (parts), or None. Of `data` clients see only the `fields` of a message as
    OpenAI's clients write it, such as its tool calls.
    """

    role: str
    content: Content
    data: dict[str, Any] | None = None

    def encode(self) -> dict[str, Any]:
        """The message as clients see it."""
        return {"role": self.role, "content": self.content, **self.fields}

    @property
    def fields(self) -> dict[str, Any]:
        """What the message has beside its role and content, as OpenAI's clients write it: tool calls, names."""
        return shown_fields(self.data)

    @property
    def text(self) -> str:
        """The content as plain text; of parts, the text of those that have one."""
        if isinstance(self.content, str):
            return self.content
        return "".join(str(part.get("text", "")) for part in self.content or ())

    @classmethod
    def encoded(cls, value: Mapping[str, Any]) -> "Message":
        """The message that `encode` made this of."""
        fields = {name: value[name] for name in FIELDS if name in value}
        return cls(value["role"], value["content"], {KEPT: fields} if fields else None)

    @classmethod
    def decode(cls, value: Any, where: str = "message") -> "Message":
        """Read a client's message. Raises `InvalidField`, which says where, when it is not one."""
        if isinstance(value, str):
            return cls("user", value)
        if not isinstance(value, dict):
            raise InvalidField(where, "must be an object with role and content, or a string")
        role, content = value.get("role", "user"), value.get("content")
        if role not in ROLES:
            raise InvalidField(f"{where}.role", f"must be one of {', '.join(ROLES)}")
        if isinstance(content, list):
            for index, part in enumerate(content):
                if not isinstance(part, dict):
                    raise InvalidField(f"{where}.content[{index}]", "must be an object")
        elif content is None:
            if role != "assistant" or not any(value.get(name) for name in INSTEAD):
                raise InvalidField(f"{where}.content", "must be a string or a list of parts")
        elif not isinstance(content, str):
            raise InvalidField(f"{where}.content", "must be a string or a list of parts")
        _check_fields(value, where)
        return cls.encoded({**value, "role": role, "content": content})


def shown_fields(data: Mapping[str, Any] | None) -> dict[str, Any]:
    """What clients see of a message's `data`."""
    fields: dict[str, Any] = (data or {}).get(KEPT, {})
    return fields


def _check_fields(value: Mapping[str, Any], where: str) -> None:
    """Check what a model needs to see a tool call again. Raises `InvalidField`."""
    for name in ("name", "tool_call_id"):
        if not isinstance(value.get(name, ""), str | None):
            raise InvalidField(f"{where}.{name}", "must be a string")
    calls = value.get("tool_calls")
    if calls is not None and not isinstance(calls, list):
        raise InvalidField(f"{where}.tool_calls", "must be a list of tool calls")
    for index, call in enumerate(calls or ()):
        function = call.get("function", {}) if isinstance(call, dict) else None
        named = isinstance(function, dict) and isinstance(function.get("name", ""), str)
        if not named or not isinstance(call.get("id"), str):
            raise InvalidField(
                f"{where}.tool_calls[{index}]", "must be an object with an id and a function with a name"
            )


def decode_messages(value: Any) -> list[Message]:
    """Read the `messages` field of a chat. Raises `InvalidField`."""
    if value is None:
        raise InvalidField("messages", "is required")
    if not isinstance(value, list):
        raise InvalidField("messages", "must be a list of messages")
    if not value:
        raise InvalidField("messages", "must hold at least one message")
    return [Message.decode(one, f"messages[{index}]") for index, one in enumerate(value)]
