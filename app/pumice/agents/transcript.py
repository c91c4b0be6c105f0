"""A session's messages as pydantic-ai sees them, and what of a turn must be kept to see it again."""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from pydantic_ai.messages import (
    BinaryContent,
    ImageUrl,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelRequestPart,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserContent,
    UserPromptPart,
)

from pumice.agents.json_text import dumps, loads
from pumice.agents.messages import Message
from pumice.errors import InvalidField
from pumice.logs import get_logger

KEY = "pydantic_ai"
"""The key in a reply's `data` under which its model messages are kept."""

log = get_logger("pumice.models")


def to_model(messages: Iterable[Message]) -> list[ModelMessage]:
    """The conversation for the model: earlier replies with their tool calls and returns, the rest as plain parts.

    Raises `InvalidField` when the last message is the assistant's or a part is of a kind that no model is sent.
    """
    found: list[ModelMessage] = []
    parts: list[ModelRequestPart] = []
    tools: dict[str, str] = {}
    for index, message in enumerate(messages):
        if message.role != "assistant":
            parts.append(_request_part(message, tools, f"messages[{index}]"))
            continue
        tools |= {call["id"]: call["function"].get("name", "") for call in _function_calls(message)}
        if parts:
            found.append(ModelRequest(parts))
            parts = []
        found.extend(_replies(message))
    if not parts:
        raise InvalidField("messages", "the last one must not be the assistant's")
    return [*found, ModelRequest(parts)]


def to_data(new: Sequence[ModelMessage]) -> dict[str, Any]:
    """What to keep of a turn, as JSON: from the model's first response on; what came before is stored as messages."""
    first = next((index for index, one in enumerate(new) if isinstance(one, ModelResponse)), len(new))
    kept = [replace(one, instructions=None) if isinstance(one, ModelRequest) else one for one in new[first:]]
    return {KEY: loads(ModelMessagesTypeAdapter.dump_json(kept))}


def responses(new: Sequence[ModelMessage]) -> Any:
    """The model's responses among these messages, as JSON."""
    return loads(ModelMessagesTypeAdapter.dump_json([one for one in new if isinstance(one, ModelResponse)]))


def _replies(message: Message) -> list[ModelMessage]:
    stored = (message.data or {}).get(KEY)
    if stored:
        try:
            return ModelMessagesTypeAdapter.validate_json(dumps(stored))
        except ValidationError as error:  # from another version of pydantic-ai: its text is better than no session
            log.warning("model_messages_unreadable", error=error, instead="the reply's text")
    calls = [
        ToolCallPart(call["function"].get("name", ""), call["function"].get("arguments"), call["id"])
        for call in _function_calls(message)
    ]
    said = [TextPart(message.text)] if message.text or not calls else []
    return [ModelResponse([*said, *calls])]


def _function_calls(message: Message) -> list[dict[str, Any]]:
    """The tool calls in a message as OpenAI's clients write it."""
    return [call for call in message.fields.get("tool_calls") or () if call.get("function")]


def _request_part(message: Message, tools: Mapping[str, str], where: str) -> ModelRequestPart:
    """`tools`: the names of those called so far, by the ids of their calls."""
    call_id = message.fields.get("tool_call_id")
    if message.role == "tool" and call_id:
        return ToolReturnPart(tools.get(call_id) or message.fields.get("name") or "tool", message.text, call_id)
    if message.role == "system":
        return SystemPromptPart(message.text)
    if isinstance(message.content, str):
        return UserPromptPart(message.content)
    parts = enumerate(message.content or ())
    return UserPromptPart([_user_content(part, f"{where}.content[{i}]") for i, part in parts])


def _user_content(part: dict[str, Any], where: str) -> UserContent:
    """Map a part as OpenAI's Chat Completions (`image_url`) or Responses (`input_image`) write it."""
    match part:
        case {"type": "text" | "input_text", "text": str(text)}:
            return text
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return _image(url, where)
        case {"type": "image_url" | "input_image", "image_url": str(url)}:
            return _image(url, where)
        case {"type": "file", "file": {"file_data": str(url)}}:
            return _inline(url, where)
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(kind)}}:
            return _inline(f"data:audio/{kind};base64,{data}", where)
    raise InvalidField(where, f"a part of type {part.get('type')!r} can't be sent to a model like this")


def _image(url: str, where: str) -> UserContent:
    if url.startswith("data:"):
        return _inline(url, where)
    if not url.startswith(("https://", "http://")):
        raise InvalidField(where, "an image's url must begin with https://, http:// or data:")
    return ImageUrl(url)


def _inline(url: str, where: str) -> BinaryContent:
    head, separator, data = url.removeprefix("data:").partition(";base64,")
    try:
        decoded = base64.b64decode(data, validate=True)
    except binascii.Error:
        decoded = b""
    if not separator or not decoded:
        raise InvalidField(where, "must be a data: URL in base64")
    return BinaryContent.narrow_type(BinaryContent(decoded, media_type=head.partition(";")[0]))
