"""Agents that run both in production and under `pumice.testing`, to be compared."""

import asyncio
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict

from pumice import Agent, Message, Response, Retry, body, handler, header, hook, query


class Point(BaseModel):
    name: str = ""
    at: tuple[float, float] = (0.0, 0.0)


class Tree(BaseModel):
    zeta: Point = Point(name="z")
    a: "list[Tree]" = []


VALUES: dict[str, Any] = {
    "order": {"zz": 1, "b": 2, "é": 3, "a": {"longer": 1, "c": 2}, "aa": [{"y": 1, "x": 2}]},
    "floats": [1.0, 1e300, -1e-7, 1e16, 0.1, 1.5e-300, -0.0, 2.5e25],
    "integers": [0, -0, 2**53 + 1, 2**63, -(2**70), 10**400],
    "nan": [float("nan"), float("inf")],
    "nul": {"a\x00b": 1},
    "backslash": "\\u0000",
    "surrogate": "\ud800",
    "moment": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    "day": date(2026, 1, 2),
    "duration": timedelta(days=1, seconds=1.5),
    "set": {1},
    "tuple": (1, (2, 3)),
    "bytes": b"abc",
    "raw": b"\xff",
    "decimal": Decimal("1.10"),
    "model": Tree(a=[Tree()]),
    "object": object(),
    "class": Point,
    "deep": None,
    "keys": {1: "a", 10: "b", 2: "c", None: "e"},
    "text": '"\\\n\t\x7f\u2028é😀',
}
for _ in range(300):
    VALUES["deep"] = [VALUES["deep"]]


class Keeper(Agent):
    """Keeps what it is told to."""

    class State(Agent.State):
        value: Any = None
        ratio: float = 0.0
        names: dict[str, int] = {}
        tree: Tree = Tree()
        tags: set[int] = set()
        moment: datetime | None = None
        ages: dict[int, str] = {}
        failures: list[str] = []
        notes: list[str] = []

    state: State
    history = 4

    def reply(self, messages):
        text = messages[-1].text
        if text == "parts":
            return Message("assistant", [{"type": "text", "text": "hi", "a": 1}], {"zz": 1, "b": (1, 2)})
        if text in VALUES:
            return Message("assistant", [{"type": "text", "value": VALUES[text]}])
        if text.startswith("data:"):
            return Message("assistant", "hi", {"value": VALUES[text.removeprefix("data:")]})
        return f"{len(messages)}: {text}"

    @hook("keep", session=query("session"))
    def keep(self, request):
        """Keep a Python value, and answer with how the last one was found."""
        found, self.state.value = repr(self.state.value), VALUES[request.text]
        return {"found": found, "a": 1}

    @hook("again", session=query("session"))
    def again(self, request):
        return {"found": repr(self.state.value)}

    @hook("ratio", session=query("session"))
    def ratio(self, request):
        found, self.state.ratio = repr(self.state.ratio), float(request.text)
        return found

    @hook("names", session=query("session"))
    def names(self, request):
        self.state.names |= request.json
        self.state.ages |= {len(name): name for name in request.json}
        self.state.tags |= set(self.state.ages)
        self.state.moment = datetime(2026, 1, 1, tzinfo=UTC)
        self.state.tree = Tree(a=[Tree(), Tree(zeta=Point(at=(1, 2.5)))])
        return {"names": self.state.names, "at": self.interaction.attempt}

    @hook("answer", session=query("session"))
    def answer(self, request):
        answers: dict[str, Any] = {
            "none": None,
            "text": "käse",
            "bytes": b"\x00\xff",
            "json": {"zz": 1, "a": [1.0, None]},
            "status": ({"a": 1}, 201),
            "headers": ("x", 200, {"X-A": "b", "Content-Type": "text/css"}),
            "response": Response({"b": 1, "a": 2}, 418, [("X-A", "1"), ("X-A", "2")]),
            "teapot": ("x", "418"),
            "object": object(),
            "model": Point(name="a"),
        }
        return answers[request.query["kind"]]

    @hook("fail", session=query("session"), retries=2, backoff=0.02)
    def fail(self, request):
        self.state.notes.append(f"attempt {self.interaction.attempt}")
        if self.interaction.attempt <= int(request.query["times"]):
            raise LookupError(f"no {self.interaction.attempt}")
        return {"attempt": self.interaction.attempt}

    @hook("asked", session=query("session"))
    async def asked(self, request):
        await asyncio.sleep(0)
        if self.interaction.attempt <= int(request.query["times"]):
            raise Retry(0.02, "later")
        return {"attempt": self.interaction.attempt}

    @hook("blocking", session=query("session"), retries=1, backoff=1.0, blocking=True, respond="accepted")
    def blocking(self, request):
        self.state.notes.append(f"blocking {self.interaction.attempt}")
        if self.interaction.attempt == 1:
            raise LookupError("no")

    @hook("passing", session=query("session"), retries=1, backoff=1.0, respond="accepted")
    def passing(self, request):
        self.state.notes.append(f"passing {self.interaction.attempt}")
        if self.interaction.attempt == 1:
            raise LookupError("no")

    @hook("note", session=query("session"), respond="accepted")
    def note(self, request):
        self.state.notes.append(request.text)

    @hook("hang", session=query("session"), timeout=0.3)
    def hang(self, request):
        self.state.notes.append("gone")
        threading.Event().wait(1.5)

    @hook("hang-async", session=query("session"), timeout=0.3)
    async def hang_async(self, request):
        self.state.notes.append("gone")
        await asyncio.sleep(5)

    @hook("checked", session=query("session"), verify=lambda request: request.headers["X-Key"] == "k")
    def checked(self, request):
        return "welcome"

    @hook("selected", session=lambda request: str(1 // len(request.text)))
    def selected(self, request):
        return "selected"

    @hook("known", session=query("session"), dedupe=body("id"))
    def known(self, request):
        self.state.notes.append(request.json["text"])
        return {"seen": len(self.state.notes)}

    @hook("got", session=header("X-Session"), methods=("GET",))
    def got(self, request):
        headers = {"Content-Type": request.headers.get("Content-Type"), "X-A": request.headers.get("x-a")}
        return {"path": request.path, "query": list(request.query.items()), "headers": headers}

    @hook("plan", session=query("session"), respond="accepted")
    def plan(self, request):
        for place, delay in enumerate((6, 2, 0, 2, 4)):  # a worker late by a step would take them as they were accepted
            self.schedule(delay, "planned", place, {"b": place, "a": [1.5]})
        self.call(self.session_id, "planned", "called", {})

    @handler(retries=1, backoff=0.01)
    def planned(self, place, given):
        self.state.notes.append(f"{place} {given} {self.interaction.attempt}")
        if place == 1 and self.interaction.attempt == 1:
            raise LookupError("no")

    def on_error(self, error):
        self.state.failures.append(f"{type(error).__name__}: {error}")


class Loose(Agent):
    """Its state says NaN where JSON has no word for it."""

    class State(Agent.State):
        model_config = ConfigDict(ser_json_inf_nan="constants")
        ratio: float = 0.0

    state: State

    @hook("ratio", session=query("session"))
    def ratio(self, request):
        found, self.state.ratio = repr(self.state.ratio), float(request.text)
        return found
