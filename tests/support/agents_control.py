"""Agents that fail, hang, crash and are interrupted, as the tests of control need them.

A folder given as `folder:<path>` is where a handler leaves a file for what happened to it.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from pumice import Agent, Retry, handler, hook, job, query
from tests.support.agents_chat import Echo
from tests.support.gates import pass_gate, pass_gate_async


class Flaky(Agent):
    """Each hook fails as often as `times` says, by the policy of its own declaration."""

    class State(Agent.State):
        seen: list[str] = []

    state: State

    def _attempt(self, request: Any) -> dict[str, Any]:
        """Fail, or note what came; the note of a failed attempt must be gone."""
        attempt = self.interaction.attempt
        self.state.seen.append(f"{self.interaction.name}-{request.query.get('tag', '')}-{attempt}")
        if attempt <= int(request.query.get("times", 0)):
            kinds = {"value": ValueError, "connection": ConnectionError, "exit": SystemExit, "retry": Retry}
            kind = kinds[request.query.get("kind", "connection")]
            raise kind(0.05) if kind is Retry else kind(f"failure {attempt}")
        return {"attempt": attempt}

    @hook("asked", session=query("session"))
    def asked(self, request):
        return self._attempt(request)

    @hook("plain", session=query("session"))
    def plain(self, request):
        return self._attempt(request)

    @hook("gated", session=query("session"))
    def gated(self, request):
        """Wait at a gate, from the second attempt on or (`first`) in each."""
        if self.interaction.attempt > 1 or "first" in request.query:
            pass_gate(request.query["gate"])
        return self._attempt(request)

    @hook("retried", session=query("session"), retries=2, backoff=0.05, retry_on=(ConnectionError,))
    def retried(self, request):
        return self._attempt(request)

    @hook("retried-async", session=query("session"), retries=2, backoff=0.05, retry_on=(ConnectionError,))
    async def retried_async(self, request):
        return self._attempt(request)

    @hook("once-more", session=query("session"), retries=1, backoff=0.05, respond="accepted")
    def once_more(self, request):
        return self._attempt(request)

    @hook("blocking", session=query("session"), retries=2, backoff=0.3, blocking=True, respond="accepted")
    def blocking(self, request):
        return self._attempt(request)

    @hook("long-blocking", session=query("session"), retries=2, backoff=500, blocking=True, respond="accepted")
    def long_blocking(self, request):
        return self._attempt(request)

    @hook("timed", session=query("session"), retries=1, backoff=0.05, timeout=0.2, respond="accepted")
    async def timed(self, request):
        if self.interaction.attempt == 1:
            await asyncio.sleep(60)
        return self._attempt(request)

    @handler(retries=1, backoff=0.05)
    def reply(self, messages):
        self.state.seen.append(messages[-1].text)
        if messages[-1].text.startswith("gate:"):
            pass_gate(messages[-1].text.removeprefix("gate:"))
            raise RuntimeError("the secret is 42")
        if messages[-1].text == "fail":
            raise RuntimeError("the secret is 42")
        return str(self.interaction.attempt)


class Hanging(Agent):
    """Waits for ever, and says in a folder that it began, and how it ended."""

    class State(Agent.State):
        turns: int = 0

    state: State

    async def reply(self, messages):
        self.state.turns += 1
        if not messages[-1].text.startswith("folder:"):
            return f"turn {self.state.turns}"
        folder = Path(messages[-1].text.removeprefix("folder:"))
        (folder / "began").touch()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            (folder / "cancelled").touch()
            raise
        return "never"

    def receive(self, data: Any) -> None:
        """A sync handler of an agent whose chats run on the loop."""
        self.state.turns += 1
        pass_gate(data["gate"])

    def later(self) -> None:
        self.state.turns += 100

    @hook("plan", session=query("session"))
    def plan(self, request):
        return {"id": self.schedule(float(request.query["after"]), "later")}


class Stuck(Agent):
    """Holds its thread or kills its process, as it is told."""

    class State(Agent.State):
        turns: int = 0

    state: State

    @handler(timeout=0.5)
    def reply(self, messages):
        self.state.turns += 1
        if messages[-1].text == "hang":
            time.sleep(600)
        if messages[-1].text == "crash" or (messages[-1].text == "crash once" and self.interaction.attempt == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        return f"{os.getpid()} {self.interaction.attempt}"


class Blocking(Agent):
    """Is declared async, and does not await."""

    class State(Agent.State):
        turns: int = 0

    state: State

    @handler(timeout=20)
    async def reply(self, messages):
        self.state.turns += 1
        _, _, gate = messages[-1].text.partition("block:")
        if gate:
            pass_gate(gate)
        else:
            await asyncio.sleep(0.2)
        return f"{os.getpid()} turn {self.state.turns}"


class Rejecting(Echo):
    """One chat at a time."""

    on_busy = "reject"

    @hook("nudge", session=query("session"))
    def nudge(self, request):
        if "gate" in request.query:
            pass_gate(request.query["gate"])
        return {"turns": self.state.turns}


class Latest(Echo):
    """The newest chat only."""

    on_busy = "latest"

    @hook("nudge", session=query("session"), retries=1, backoff=0.05)
    def nudge(self, request):
        if self.interaction.attempt == 1 and "retry" in request.query:
            raise Retry(0.05)
        return {"turns": self.state.turns}


class Merging(Echo):
    """Chats that wait become one."""

    on_busy = "merge"

    def reply(self, messages):
        """Tell all texts that came since the last reply."""
        super().reply(messages)
        texts = [message.text.partition(":")[0] for message in messages]
        since = max((i for i, message in enumerate(messages) if message.role == "assistant"), default=-1) + 1
        return "+".join(texts[since:])


class Patient(Echo):
    """A chat that failed waits long for its second attempt, and newer ones merge with it."""

    on_busy = "merge"

    @handler(retries=1, backoff=500)
    def reply(self, messages):
        if messages[-1].text == "fail":
            raise RuntimeError("not now")
        return "+".join(message.text for message in messages if message.role == "user")


class Interrupted(Echo):
    """Interrupted, though it does not stream."""

    on_busy = "interrupt"


class Chunks(Agent):
    """Streams synchronously; stops at a gate after the first chunk when it is told one."""

    on_busy = "interrupt"

    class State(Agent.State):
        turns: int = 0

    state: State

    def reply(self, messages) -> Iterator[str]:
        self.state.turns += 1
        yield "one "
        if messages[-1].text.startswith("gate:"):
            pass_gate(messages[-1].text.removeprefix("gate:"))
        yield f"two ({len(messages)})"


class AsyncChunks(Agent):
    """The same on the event loop."""

    on_busy = "interrupt"

    class State(Agent.State):
        turns: int = 0

    state: State

    async def reply(self, messages) -> AsyncIterator[str]:
        self.state.turns += 1
        yield "one "
        if messages[-1].text.startswith("gate:"):
            await pass_gate_async(messages[-1].text.removeprefix("gate:"))
        yield f"two ({len(messages)})"


class MixedChunks(Chunks):
    """Streams synchronously, in a thread beside the event loop, because its `setup` is async."""

    async def setup(self) -> None:
        """Nothing, but asynchronously."""


class Open(Echo):
    """Takes instructions from public keys too."""

    roles = frozenset({"user", "system"})


class Guarded(Echo):
    """Wants a session token with a public key."""

    require_session_token = True


class Timekeeper(Agent):
    """A job that skips sessions in which it still runs; a session holds its gate."""

    class State(Agent.State):
        gate: str = ""
        runs: int = 0

    state: State

    def reply(self, messages):
        self.state.gate = messages[-1].text
        return "noted"

    @job("0 0 1 1 *", overlap="skip")
    def yearly(self) -> None:
        self.state.runs += 1
        if self.state.gate:
            pass_gate(self.state.gate)
