"""Agents that tests send webhooks to."""

import asyncio
import hashlib
from typing import Any

from pumice import Agent, Response, body, header, hook, query, signature
from tests.support.gates import pass_gate

SECRET = "between us"


async def slow_selector(request) -> str:
    await asyncio.sleep(0.01)
    session: str = request.json["session"]
    return session


class AsyncSelector:
    """A callable object whose call is async."""

    async def __call__(self, request) -> str:
        await asyncio.sleep(0)
        session: str = request.json["session"]
        return session


def failing(request) -> str:
    raise KeyError("no such part")


async def verified_async(request) -> bool:
    await asyncio.sleep(0)
    return bool(request.headers.get("x-password") == SECRET)


class Selected(Agent):
    """One hook for each form of selector; each counts and tells its session."""

    class State(Agent.State):
        calls: int = 0

    state: State

    def _count(self) -> dict[str, Any]:
        self.state.calls += 1
        return {"session": self.session_id, "calls": self.state.calls}

    @hook("by-body", session=body("customer.id"))
    def by_body(self, request):
        return self._count()

    @hook("by-query", session=query("session"))
    def by_query(self, request):
        return self._count()

    @hook("by-header", session=header("X-Session"))
    def by_header(self, request):
        return self._count()

    @hook("by-lambda", session=lambda request: request.json["session"])
    def by_lambda(self, request):
        return self._count()

    @hook("by-async", session=slow_selector)
    def by_async(self, request):
        return self._count()

    @hook("by-object", session=AsyncSelector())
    def by_object(self, request):
        return self._count()

    @hook("by-default", session="default")
    def by_default(self, request):
        return self._count()

    @hook("by-name", session="the-one")
    def by_name(self, request):
        return self._count()

    @hook("by-none")
    def by_none(self, request):
        return self._count()

    @hook("by-failing", session=failing)
    def by_failing(self, request):
        return self._count()

    @staticmethod
    @hook("static", session=query("session"))
    def static(request):
        return {"static": True}

    @hook("async", session=query("session"))
    async def asynchronous(self, request):
        await asyncio.sleep(0)
        return self._count()

    @hook("get-only", session="default", methods=("GET",))
    def get_only(self, request):
        return self._count()


class Receiver(Agent):
    """Takes every kind of body, and gives every kind of answer."""

    class State(Agent.State):
        calls: int = 0
        value: Any = None

    state: State

    @hook("inspect", session=query("session"))
    def inspect(self, request):
        """Tell what came."""
        return {
            "method": request.method,
            "path": request.path,
            "query": list(request.query.items(multi=True)),
            "length": len(request.body),
            "sha256": hashlib.sha256(request.body).hexdigest(),
            "json": request.json if request.is_json and request.body else None,
            "text": request.text if request.content_type.startswith("text/") else None,
            "form": {name: request.form.getlist(name) for name in request.form},
            "files": {name: [file.filename, file.read().hex()] for name, file in request.files.items()},
            "agent": request.headers.get("User-Agent"),
        }

    @hook("answer", session="default")
    def answer(self, request):
        """Give the answer of the kind that is asked for."""
        answers = {
            "nothing": None,
            "text": "plain",
            "list": [1, 2],
            "bytes": bytes(range(256)),
            "status": ({"made": True}, 201),
            "headers": ("teapot", 418, {"X-Kind": "short"}),
            "redirect": (None, 302, {"Location": "https://example.com/next?a=1"}),
            "html": ("<p>hi</p>", 200, {"Content-Type": "text/html; charset=utf-8"}),
            "cookies": Response("ok", headers=[("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2; Secure")]),
            "error": ({"wrong": "order"}, 422),
        }
        return answers[request.query["kind"]]

    @hook("fail", session=query("session"))
    def fail(self, request):
        """Fail after a change of the state."""
        self.state.calls += 1
        match request.query["how"]:
            case "raise":
                raise RuntimeError("the secret is 42")
            case "result":
                return {"orders": [{"customer": object()}]}
            case "state":
                self.state.value = {"deep": object()}
            case "header":
                return "x", 200, {"X-Bad": "line\nbreak"}
            case "status":
                return "x", 1000
        return {"calls": self.state.calls}

    @hook("later", session=query("session"), respond="accepted")
    def later(self, request):
        """Answer 202 at once."""
        self.state.calls += 1
        return {"calls": self.state.calls}

    @hook("gate", session=query("session"))
    def gate(self, request):
        """Stop at a gate."""
        self.state.calls += 1
        pass_gate(request.text)
        return {"calls": self.state.calls}

    @hook("slow", session=query("session"), timeout=0.3)
    async def slow(self, request):
        """Take longer than it may."""
        self.state.calls += 1
        await asyncio.sleep(30)

    @hook("signed", session=query("session"), verify=signature("X-Hub-Signature-256", secret=SECRET))
    def signed(self, request):
        self.state.calls += 1
        return {"calls": self.state.calls}

    @hook("password", session=query("session"), verify=verified_async)
    def password(self, request):
        return {"calls": 1}

    @hook("unverifiable", session=query("session"), verify=lambda request: request.headers["x-missing"])
    def unverifiable(self, request):
        return {"calls": 1}

    @hook("own-dedupe", session=query("session"), dedupe=body("event.id"))
    def own_dedupe(self, request):
        self.state.calls += 1
        return {"calls": self.state.calls}
