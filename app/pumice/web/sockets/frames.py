"""What a socket's frame asks for."""

from dataclasses import dataclass
from typing import Any

from pumice.agents.chats import chat_payload
from pumice.agents.context import to_json
from pumice.agents.json_text import JSONDecodeError, NumberTooLongError, loads
from pumice.agents.spec import AgentSpec
from pumice.errors import Malformed

STOP = "stop"
"""The kind of a frame that ends what runs; all others are kinds of interactions."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame: the kind of its interaction and its payload, as JSON; or `STOP`."""

    kind: str
    payload: str = ""


def read_frame(spec: AgentSpec, frame: str | bytes, *, secret: bool = False) -> Frame:
    """A frame, read. `secret`: it came with a secret key. Raises `Problem` for what can't be read."""
    if isinstance(frame, bytes):
        try:
            frame = frame.decode()
        except UnicodeDecodeError:
            message = "a binary frame must hold UTF-8 text"
            raise Malformed(message) from None
    value: Any = frame
    if frame.lstrip()[:1] in {"{", "["}:
        try:
            value = loads(frame)
        except NumberTooLongError as error:
            message = f"the frame is not JSON: {error}"
            raise Malformed(message) from None
        except JSONDecodeError as error:
            if frame.lstrip()[:2] in {'{"', "{}"}:
                message = f"the frame is not JSON: {error.msg}"
                raise Malformed(message, position=error.pos) from None
    if isinstance(value, str):
        return Frame("chat", chat_payload(spec, {"messages": [{"role": "user", "content": value}]}))
    if isinstance(value, dict) and value.get("type") == STOP:
        return Frame(STOP)
    if isinstance(value, dict) and value.get("type") == "chat":
        return Frame("chat", chat_payload(spec, value, secret=secret))
    if isinstance(value, dict) and "type" not in value and "role" in value and "content" in value:
        return Frame("chat", chat_payload(spec, {"messages": [value]}, secret=secret))
    return Frame("socket", to_json({"data": value}, "the frame"))
