"""One message of a session's conversation."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from pumice.errors import InvalidField

ROLES = ("user", "assistant", "system", "tool")

Content: TypeAlias = str | list[dict[str, Any]]
"""Text, or a list of parts as multimodal clients send them."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message: who said it (`role`), what (`content`), and what a model needs to see it again (`data`).

    `content` is text, or a list of JSON objects (parts). `data` is never shown to clients.
    """

    role: str
    content: Content
    data: dict[str, Any] | None = None

    def encode(self) -> dict[str, Any]:
        """The message as clients see it."""
        return {"role": self.role, "content": self.content}

    @property
    def text(self) -> str:
        """The content as plain text; of parts, the text of those that have one."""
        if isinstance(self.content, str):
            return self.content
        return "".join(str(part.get("text", "")) for part in self.content)

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
        elif not isinstance(content, str):
            raise InvalidField(f"{where}.content", "must be a string or a list of parts")
        return cls(role, content)


def decode_messages(value: Any) -> list[Message]:
    """Read the `messages` field of a chat. Raises `InvalidField`."""
    if value is None:
        raise InvalidField("messages", "is required")
    if not isinstance(value, list):
        raise InvalidField("messages", "must be a list of messages")
    if not value:
        raise InvalidField("messages", "must hold at least one message")
    return [Message.decode(one, f"messages[{index}]") for index, one in enumerate(value)]
