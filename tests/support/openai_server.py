"""An OpenAI-compatible server on loopback: Responses and Chat Completions, streamed, with scripted replies.

    with OpenAIServer() as server:
        server.replies("Hello", [ToolCall("note", {"text": "milk"})], Failure(500))

Each request takes the next reply: text, a list of text and `ToolCall`s, or a `Failure`. Text is streamed word by word;
a `threading.Event` in a list holds the stream there until it is set. `requests` has what was asked.
"""

import itertools
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self, TypeAlias

PATIENCE = 30.0
INPUT_TOKENS = 10
OUTPUT_TOKENS = 5


@dataclass(frozen=True)
class ToolCall:
    """The model calls a tool. id: what it calls the call; one that no other has, unless given."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    id: str | None = None


@dataclass(frozen=True)
class Failure:
    """The server answers with an error."""

    status: int
    message: str = "scripted"


Reply: TypeAlias = str | list[str | ToolCall | threading.Event] | Failure


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    connection: tuple[str, int]

    @property
    def tools(self) -> dict[str, dict[str, Any]]:
        """The tools offered, by name."""
        found = [tool.get("function", tool) for tool in self.body.get("tools", [])]
        return {tool["name"]: tool for tool in found}

    @property
    def conversation(self) -> list[tuple[str, str]]:
        """What the model was told (Responses): each message's role and text, and tool calls and returns."""
        return [_said(item) for item in self.body["input"]]


def _said(item: dict[str, Any]) -> tuple[str, str]:
    kind = item.get("type", "message")
    if kind == "function_call":
        return "call", item["name"]
    if kind == "function_call_output":
        return "return", item["output"]
    content = item["content"]
    return item["role"], content if isinstance(content, str) else "".join(part.get("text", "?") for part in content)


class OpenAIServer:
    """Serves scripted replies from a thread while it is entered."""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self._replies: deque[Reply] = deque()
        handler = type("Handler", (_Handler,), {"script": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """What OPENAI_BASE_URL should be."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point a client here."""
        return {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": "scripted"}

    @property
    def conversation(self) -> list[tuple[str, str]]:
        """What the model was told last."""
        return self.requests[-1].conversation

    def replies(self, *replies: Reply) -> None:
        """Add to the script."""
        self._replies.extend(replies)

    def take(self, asked: Asked) -> Reply:
        """Note the request; the reply to it."""
        self.requests.append(asked)
        return self._replies.popleft() if self._replies else Failure(500, "the script is over")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: ClassVar[OpenAIServer]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {key.lower(): value for key, value in self.headers.items()}
        reply = self.script.take(Asked(self.path, headers, body, self.client_address))
        formats = {"/v1/responses": _responses, "/v1/chat/completions": _chat_completions}
        if self.path not in formats:
            reply = Failure(404, f"nothing at {self.path}")
        if isinstance(reply, Failure):
            self._fail(reply)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with suppress(ConnectionError):  # a client may hang up in the middle
            for text in formats[self.path]([reply] if isinstance(reply, str) else reply, body["model"]):
                data = text.encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

    def _fail(self, failure: Failure) -> None:
        data = json.dumps({"error": {"message": failure.message, "type": "scripted", "code": None}}).encode()
        self.send_response(failure.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-should-retry", "false")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


_ids = itertools.count(1)


def _words(text: str) -> Iterator[str]:
    start = 0
    for index, character in enumerate(text):
        if character == " " and index:
            yield text[start:index]
            start = index
    yield text[start:]


def _responses(reply: list[Any], model: str) -> Iterator[str]:
    """The Responses API's events: https://platform.openai.com/docs/api-reference/responses-streaming."""
    numbers = itertools.count()
    identity = f"resp_{next(_ids)}"

    def event(kind: str, **fields: Any) -> str:
        data = {"type": kind, "sequence_number": next(numbers), **fields}
        return f"event: {kind}\ndata: {json.dumps(data)}\n\n"

    shell = {"id": identity, "object": "response", "created_at": 1_700_000_000, "model": model, "status": "in_progress"}
    shell |= {"output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None}
    yield event("response.created", response=shell)
    output: list[dict[str, Any]] = []
    for part in reply:
        if isinstance(part, threading.Event):
            part.wait(PATIENCE)
        elif isinstance(part, ToolCall):
            yield from _responses_tool_call(part, output, event)
        else:
            yield from _responses_text(part, output, event)
    details = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS, **details}
    usage["total_tokens"] = INPUT_TOKENS + OUTPUT_TOKENS
    yield event("response.completed", response=shell | {"status": "completed", "output": output, "usage": usage})


def _responses_text(text: str, output: list[dict[str, Any]], event: Any) -> Iterator[str]:
    index, identity = len(output), f"msg_{next(_ids)}"
    item = {"type": "message", "id": identity, "status": "in_progress", "role": "assistant", "content": []}
    place = {"item_id": identity, "output_index": index, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": []}
    yield event("response.output_item.added", output_index=index, item=item)
    yield event("response.content_part.added", **place, part=part)
    for word in _words(text):
        yield event("response.output_text.delta", **place, delta=word, logprobs=[])
    yield event("response.output_text.done", **place, text=text, logprobs=[])
    part = part | {"text": text}
    yield event("response.content_part.done", **place, part=part)
    output.append(item | {"status": "completed", "content": [part]})
    yield event("response.output_item.done", output_index=index, item=output[-1])


def _responses_tool_call(call: ToolCall, output: list[dict[str, Any]], event: Any) -> Iterator[str]:
    index, number, arguments = len(output), next(_ids), json.dumps(call.arguments)
    item = {"type": "function_call", "id": f"fc_{number}", "call_id": call.id or f"call_{number}", "name": call.name}
    item |= {"arguments": "", "status": "in_progress"}
    place = {"item_id": item["id"], "output_index": index}
    yield event("response.output_item.added", output_index=index, item=item)
    yield event("response.function_call_arguments.delta", **place, delta=arguments)
    yield event("response.function_call_arguments.done", **place, arguments=arguments, name=call.name)
    output.append(item | {"arguments": arguments, "status": "completed"})
    yield event("response.output_item.done", output_index=index, item=output[-1])


def _chat_completions(reply: list[Any], model: str) -> Iterator[str]:
    """Chat Completions' chunks: https://platform.openai.com/docs/api-reference/chat-streaming."""
    shell = {
        "id": f"chatcmpl_{next(_ids)}",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": model,
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return f"data: {json.dumps(shell | {'choices': choices})}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    calls = 0
    for part in reply:
        if isinstance(part, threading.Event):
            part.wait(PATIENCE)
        elif isinstance(part, ToolCall):
            function = {"name": part.name, "arguments": json.dumps(part.arguments)}
            call = {"index": calls, "id": f"call_{next(_ids)}", "type": "function", "function": function}
            yield chunk({"tool_calls": [call]})
            calls += 1
        else:
            for word in _words(part):
                yield chunk({"content": word})
    yield chunk({}, "tool_calls" if calls else "stop")
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS}
    usage["total_tokens"] = INPUT_TOKENS + OUTPUT_TOKENS
    yield f"data: {json.dumps(shell | {'choices': [], 'usage': usage})}\n\ndata: [DONE]\n\n"
