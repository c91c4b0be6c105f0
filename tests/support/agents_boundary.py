"""Agents that raise what they are told to, where they are told to: `<where> <what>` as a chat's text."""

import asyncio
import contextvars
import threading
from pathlib import Path
from typing import Any

from pydantic import field_validator

from pumice import Agent, hook, query
from tests.support.waiting import wait_until


class Panic(BaseException):
    """As a panic in Rust arrives: no `Exception`."""


class UnspeakableError(Exception):
    """Can't be asked for its text."""

    def __str__(self) -> str:
        raise Panic("str")

    __repr__ = __str__


class LiarError(Exception):
    """Says that it is something else, and raises when asked what."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise Panic("class")

    @property
    def __notes__(self) -> Any:  # type: ignore[override]
        raise Panic("notes")


class NotesError(Exception):
    """Its notes are no list."""

    __notes__: Any = 7


def _deep(level: int = 0) -> int:
    return _deep(level + 1) + 1


RAISED: dict[str, Any] = {
    "SystemExit": lambda: SystemExit(3),
    "KeyboardInterrupt": KeyboardInterrupt,
    "CancelledError": lambda: asyncio.CancelledError("cancelled by a scope of the author's"),
    "GeneratorExit": GeneratorExit,
    "StopIteration": StopIteration,
    "StopAsyncIteration": StopAsyncIteration,
    "RecursionError": None,
    "MemoryError": MemoryError,
    "Panic": lambda: Panic("called unwrap on a None value"),
    "BaseExceptionGroup": lambda: BaseExceptionGroup("several", [Panic("one"), ValueError("two")]),
    "Unspeakable": UnspeakableError,
    "Liar": LiarError,
    "Notes": NotesError,
    "ValueError": lambda: ValueError("half an emoji \ud83d and a NUL \x00"),
}


def fail(what: str) -> None:
    """Raise it."""
    if what == "RecursionError":
        _deep()
    error = RAISED[what]()
    raise error


async def fail_later(what: str) -> None:
    """Raise it in a task."""
    await asyncio.sleep(0)
    fail(what)


def _told(text: str) -> tuple[str, str]:
    where, _, what = text.partition(" ")
    return where, what


class Raising(Agent):
    """Sync handlers."""

    class State(Agent.State):
        turns: int = 0
        trap: str = ""

        @field_validator("trap")
        @classmethod
        def _trap(cls, value: str) -> str:
            if value:
                fail(value)
            return value

    state: State

    def setup(self) -> None:
        if self.session_id.startswith("setup-"):
            fail(self.session_id.split("-")[1])

    def reply(self, messages):
        where, what = _told(messages[-1].text)
        self.state.turns += 1
        if where == "reply":
            fail(what)
        if where == "chunks":
            return self._chunks(what)
        if where == "state":
            self.state.trap = what
        if where == "call":
            self.call(self.session_id, "work", what)
        return "ok"

    def _chunks(self, what):
        yield "one"
        fail(what)

    def work(self, what):
        fail(what)

    def receive(self, data):
        fail(data["what"])

    @hook("in", session=query("session"))
    def take(self, request):
        fail(request.query["what"])

    def on_error(self, error):
        if self.session_id.startswith("on_error-"):
            fail(self.session_id.split("-")[1])


class AsyncRaising(Agent):
    """Async handlers."""

    class State(Agent.State):
        turns: int = 0

    state: State

    async def reply(self, messages):
        where, what = _told(messages[-1].text)
        self.state.turns += 1
        if where == "reply":
            fail(what)
        elif where == "gather":
            await asyncio.gather(fail_later(what), asyncio.sleep(5))
        elif where == "spawned":
            self.left = asyncio.create_task(fail_later(what))
            await asyncio.sleep(5)
        elif where == "thread":
            await asyncio.to_thread(fail, what)
        elif where == "group":
            async with asyncio.TaskGroup() as group:
                group.create_task(fail_later(what))
        return "ok"

    async def on_error(self, error):
        if self.session_id.startswith("on_error-"):
            fail(self.session_id.split("-")[1])


class Chunks(Agent):
    """An async iterator, which raises between chunks or while it is closed."""

    async def reply(self, messages):
        where, what = _told(messages[-1].text)
        try:
            yield "one"
            if where == "chunks":
                fail(what)
        finally:
            if where == "closing":
                fail(what)


NAMED: contextvars.ContextVar[str] = contextvars.ContextVar("named", default="nobody")


class Leaving(Agent):
    """Leaves context variables, threads and state behind."""

    class State(Agent.State):
        notes: list[str] = []

    state: State

    def reply(self, messages):
        text = messages[-1].text
        if text == "late":
            over, told = threading.Event(), list[str]()
            threading.Thread(target=self._late, args=[over, told]).start()
            LEFT[self.session_id] = over, told
            return "left"
        if text == "told":
            over, told = LEFT[self.session_id]
            over.set()
            DONE.wait(10)
            return ", ".join(told)
        before = NAMED.get()
        NAMED.set(text)
        return before

    def _late(self, over, told):
        over.wait(10)
        for act in (lambda: self.send(1), lambda: self.call("x", "work"), lambda: self.schedule(1, "work")):
            try:
                act()
                told.append("nothing")
            except RuntimeError as error:
                told.append(type(error).__name__)
        self.state.notes.append("late")
        DONE.set()

    def work(self):
        self.state.notes.append("worked")


LEFT: dict[str, Any] = {}
DONE = threading.Event()


class AsyncLeaving(Agent):
    """The same on the event loop."""

    async def reply(self, messages):
        before = NAMED.get()
        NAMED.set(messages[-1].text)
        return before


class Emoji(Agent):
    """Streams what is cut in the middle of a character, or not Unicode at all."""

    def reply(self, messages):
        if messages[-1].text == "cut":
            yield "a \ud83d"
            yield "\ude00 b"
        elif messages[-1].text == "half":
            yield "a \ud83d"
            yield " b"
        else:
            yield "ok"


def _choose(request):
    if what := request.query.get("what"):
        fail(what)
    before = NAMED.get()
    NAMED.set(request.query["session"])
    return before if request.query.get("before") else request.query["session"]


async def _choose_later(request):
    await asyncio.sleep(float(request.query.get("wait", "0")))
    if "until" in request.query:
        await asyncio.to_thread(wait_until, Path(request.query["until"]).exists)
    return _choose(request)


class Chooser(Agent):
    """Hooks whose selectors are authors' code that may do anything."""

    @hook("sync", session=_choose)
    def sync_(self, request):
        return {"session": self.session_id}

    @hook("verified", session="s", verify=_choose)
    def verified(self, request):
        return "ok"

    @hook("deduped", session="s", dedupe=_choose)
    def deduped(self, request):
        return "ok"


class AsyncChooser(Agent):
    """The same with async selectors."""

    @hook("slow", session=_choose_later)
    def slow(self, request):
        return {"session": self.session_id}
