"""Agents that tests chat with."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from pumice import Agent, Message, handler
from tests.support.gates import pass_gate, pass_gate_async


class Echo(Agent):
    """Repeats what it is told, and counts. Text like `gate:<path>` stops it at a gate."""

    class State(Agent.State):
        setups: int = 0
        turns: int = 0
        notes: list[Any] = []

    state: State

    def setup(self) -> None:
        self.state.setups += 1

    def reply(self, messages):
        self.state.turns += 1
        text = messages[-1].text
        if text == "fail":
            raise RuntimeError("the secret is 42")
        if text.startswith("gate:"):
            pass_gate(text.removeprefix("gate:"))
        return f"{len(messages)}: {text}"

    def receive(self, data: Any) -> Any:
        if data == {"type": "fail"}:
            raise RuntimeError("the secret is 42")
        self.state.notes.append(data)
        self.send({"seen": len(self.state.notes)})
        return data.get("answer") if isinstance(data, dict) else None


class Streamer(Agent):
    """Streams two chunks from an iterator, with the gate that it is told between them."""

    def reply(self, messages) -> Iterator[str]:
        yield "one "
        pass_gate(messages[-1].text)
        yield "two"


class AsyncStreamer(Agent):
    """The same from an async iterator."""

    async def reply(self, messages) -> AsyncIterator[str]:
        yield "one "
        await pass_gate_async(messages[-1].text)
        yield "two"


class Faulty(Agent):
    """Goes wrong in the way that it is told; `fine` shows that nothing of it is left."""

    class State(Agent.State):
        turns: int = 0
        value: Any = None

    state: State

    def setup(self) -> None:
        if self.session_id.startswith("unprepared"):
            raise RuntimeError("no setup")

    def reply(self, messages):
        self.state.turns += 1
        match messages[-1].text:
            case "raise":
                raise ValueError("the secret is 42")
            case "exit":
                raise SystemExit(3)
            case "state":
                self.state.value = object()
            case "result":
                return Message("assistant", [{"type": "text", "when": object()}])
            case "none":
                return None
        return f"turn {self.state.turns}"


class Slow(Agent):
    """Takes longer than it may."""

    class State(Agent.State):
        turns: int = 0

    state: State

    @handler(timeout=0.3)
    def reply(self, messages):
        self.state.turns += 1
        if messages[-1].text != "quick":
            time.sleep(1.5)
        return "late"

    @handler(timeout=0.3)
    async def receive(self, data: Any) -> None:
        self.state.turns += 1
        await asyncio.sleep(30)


class AsyncSlow(Agent):
    """The same on the event loop."""

    class State(Agent.State):
        turns: int = 0

    state: State

    @handler(timeout=0.3)
    async def reply(self, messages):
        self.state.turns += 1
        if messages[-1].text != "quick":
            await asyncio.sleep(30)
        return "late"


class Mute(Agent):
    """Does not chat and takes no frames."""
