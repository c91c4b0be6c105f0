"""The agents under load. Each handler does as little as a handler can, and leaves what a check needs."""

import asyncio
import base64
import os
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any

from pumice import Agent, Message, Request, body, hook, job


class Bench(Agent):
    """Counts webhooks and ticks, answers chats at once or after a second of holding its thread."""

    class State(Agent.State):
        """What is counted, and as much text as a workload asks for."""

        count: int = 0
        ticks: int = 0
        pad: str = ""

    state: State

    @hook("event", session=body("session"), respond="accepted")
    def event(self, request: Request) -> dict[str, Any]:
        """Count one webhook and tell its place among those that the session has seen."""
        self.state.count += 1
        size = request.json.get("pad")
        if size:
            self.state.pad = base64.b64encode(os.urandom(size * 3 // 4)).decode()
        return {"position": self.state.count}

    def reply(self, messages: Sequence[Message]) -> str:
        """Answer; `block` takes a second, and `where` is answered with the machine's name."""
        text = messages[-1].content
        if text == "block":
            time.sleep(1)
        if text == "where":
            return f"On {socket.gethostname()}."
        return f"You said {text}."

    @job("* * * * *")
    def tick(self) -> None:
        """Count one due time."""
        self.state.ticks += 1


class Streaming(Agent):
    """Streams when it does so."""

    def reply(self, messages: Sequence[Message]) -> Iterator[str]:
        """Give the time at which it is given, and an end."""
        yield f"at {time.monotonic_ns()} "
        yield f"in answer to {messages[-1].content}"


class Waiting(Agent):
    """Answers after a second in which it holds nothing."""

    async def reply(self, messages: Sequence[Message]) -> str:
        """Wait as for a model."""
        await asyncio.sleep(1)
        return f"You said {messages[-1].content}."
