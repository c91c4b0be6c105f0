"""Running single turns on a session in memory, as a worker does, without one."""

import asyncio
import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from pumice import Agent
from pumice.agents.context import History, new_id
from pumice.agents.live_session import LiveSession
from pumice.agents.messages import Message
from pumice.agents.requests import Request
from pumice.agents.spec import describe
from pumice.agents.turn import Outcome, Work, drive, run_turn

_numbers = itertools.count(1)


@dataclass
class Bench:
    """A session, and what its turns emitted."""

    live: LiveSession
    emitted: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def state(self) -> Any:
        """The last good state, parsed; None when there is none."""
        return None if self.live.state is None else json.loads(self.live.state)

    def of(self, kind: str) -> list[Any]:
        """What was emitted of a kind, without the wrapping."""
        return [next(iter(fields.values())) for one, fields in self.emitted if one == kind]

    def run(self, kind: str, name: str | None = None, payload: Any = None, **fields: Any) -> Outcome:
        """Run one interaction."""
        work = Work(new_id(), next(_numbers), kind, name, json.dumps(payload or {}), **fields)
        handler = self.live.spec.handler(kind, name)
        turn = run_turn(self.live, work, lambda one, given: self.emitted.append((one, given)))
        if handler is not None and self.live.spec.needs_loop(handler):
            return asyncio.run(turn)
        return drive(turn)

    def chat(self, *messages: str, history: str = "append", **fields: Any) -> Outcome:
        """Run a chat with these user messages."""
        payload = {"messages": [{"role": "user", "content": one} for one in messages], "history": history}
        return self.run("chat", None, payload, **fields)

    def hook(self, name: str, body: bytes = b"", request: Request | None = None) -> Outcome:
        """Run a hook."""
        return self.run("hook", name, (request or Request()).encode(), body=body)

    def call(self, method: str, *arguments: Any, attempts: int = 0) -> Outcome:
        """Run a called method."""
        return self.run("call", method, {"args": arguments, "kwargs": {}}, attempts=attempts)


def bench(agent: type[Agent], state: str | None = None, messages: tuple[Message, ...] = ()) -> Bench:
    """A session of the agent with this stored state and history."""
    return Bench(LiveSession(describe(agent), "s1", state, History(lambda: messages)))
