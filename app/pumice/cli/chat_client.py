"""A client of the chat route: sends a message, and yields the reply as it is streamed."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from pumice.cli.failing import Failed, one_line
from pumice.cli.instance import Front

SILENCE = 70.0
"""Seconds without a byte after which the front counts as gone; it sends a comment every 20 s."""


@dataclass
class Reply:
    """What is known of a reply so far. `problem` says why there is none."""

    interaction_id: str | None = None
    attempt: int = 0
    streamed: bool = False
    message: Any = None
    problem: str | None = "the stream ended before the reply was complete"


class Chat:
    """A conversation with an agent; `session` is known after the first message at the latest."""

    def __init__(self, front: Front, agent: str, session: str | None) -> None:
        self.session = session
        self._front = front
        self._agent = agent

    def say(self, text: str, reply: Reply) -> Iterator[str]:
        """Send a message. Yields what is to be printed as it comes, and completes `reply`.

        Raises `Failed` when the front can't be reached or refuses.
        """
        for kind, data in self._events(text):
            if kind == "session":
                self.session = data["sessionId"]
            elif kind == "accepted":
                reply.interaction_id = data["interactionId"]
            elif kind == "delta":
                yield from _delta(data, reply)
            elif kind == "message":
                reply.message = data["message"]
                if not reply.streamed:
                    yield _text(reply.message["content"])
            elif kind == "done":
                reply.problem = None
                return
            elif kind == "error":
                reply.problem = _explain(data["error"])
                return

    def _events(self, text: str) -> Iterator[tuple[str, Any]]:
        """The events that answer a message."""
        body: dict[str, Any] = {"messages": [{"role": "user", "content": text}]}
        if self.session is not None:
            body["sessionId"] = self.session
        headers = {"x-api-key": self._front.key, "content-type": "application/json", "accept": "text/event-stream"}
        address = f"{self._front.url}/v1/agents/{self._agent}/chat"
        try:
            request = urllib.request.Request(address, orjson.dumps(body), headers)  # noqa: S310 (the operator named it)
            with urllib.request.urlopen(request, timeout=SILENCE) as answer:  # noqa: S310
                yield from _parse(answer)
        except urllib.error.HTTPError as error:
            raise Failed(f"pumice: {address} answers {error.code}: {_refusal(error)}") from None
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
            raise Failed(f"pumice: {address} can't be reached: {one_line(error)}") from None


def _parse(lines: Iterable[bytes]) -> Iterator[tuple[str, Any]]:
    """The events of a stream (WHATWG HTML, "Server-sent events"), as the front writes them: one line of data each."""
    kind = ""
    for line in lines:
        name, _, value = line.decode().rstrip("\r\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, orjson.loads(value)


def _delta(data: Any, reply: Reply) -> Iterator[str]:
    """A piece of the reply; when a new attempt begins, on a line of its own."""
    if reply.streamed and data["attempt"] != reply.attempt:
        yield "\n(again)\n"
    reply.attempt, reply.streamed = data["attempt"], True
    yield data["content"]


def _text(content: Any) -> str:
    """A message's text; other content as JSON."""
    return content if isinstance(content, str) else orjson.dumps(content).decode()


def _refusal(error: urllib.error.HTTPError) -> str:
    try:
        return _explain(orjson.loads(error.read()))
    except (orjson.JSONDecodeError, OSError):
        return error.reason


def _explain(problem: Any) -> str:
    """A problem document (RFC 9457) in a line."""
    detail = problem.get("detail") or problem.get("title") if isinstance(problem, dict) else None
    return " ".join(str(detail or "it doesn't say why").split())
