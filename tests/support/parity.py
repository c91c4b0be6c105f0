"""The same agent in production and under `pumice.testing`: what each does, in one form, to be compared."""

import json
from dataclasses import dataclass
from typing import Any

import httpx
from werkzeug.datastructures import Headers

from pumice import testing
from pumice.agents.json_text import dumps, loads
from pumice.errors import Problem
from tests.support.client import AgentClient
from tests.support.stack import Stack

VOLATILE = {"interactionId", "location", "sessionId"}


@dataclass(frozen=True)
class Seen:
    """What a caller saw: status, content type, and the body with its keys in order."""

    status: int
    content_type: str | None
    body: Any


class Production:
    """A session of a stack's agent."""

    def __init__(self, stack: Stack, client: AgentClient, session: str) -> None:
        self._stack, self._client, self.id = stack, client, session

    def hook(self, name: str, *, query: Any = None, method: str = "POST", **options: Any) -> Seen:
        """Deliver a webhook."""
        given = {"params": {"session": self.id, **(query or {})}, **options}
        if "data" in given:
            given["content"] = given.pop("data")
        return _seen_response(self._client.hook(name, method, **given))

    def chat(self, text: str, **options: Any) -> Seen:
        """Chat."""
        return _seen_response(self._client.chat(text, self.id, **options))

    def state(self) -> Any:
        """The stored state, to the digit."""
        rows = self._stack.query("select state::text from sessions where id = %s", self.id)
        return exact(rows[0]["state"]) if rows and rows[0]["state"] else None

    def messages(self) -> list[Any]:
        """The conversation with its data."""
        rows = self._stack.query(
            "select m.role, m.content::text, m.data::text from messages m join sessions s on s.agent_id = m.agent_id"
            " and s.id = m.session_id and m.seq >= s.history_start where session_id = %s order by seq",
            self.id,
        )
        return [(row["role"], exact(row["content"]), exact(row["data"] or "null")) for row in rows]

    def interactions(self) -> list[Any]:
        """Each interaction's end, in the order of acceptance."""
        rows = self._stack.query(
            "select kind, name, status, attempts, reason, errors, result::text from interactions where session_id = %s"
            " order by seq",
            self.id,
        )
        return [
            (row["kind"], row["name"], row["status"], row["attempts"], row["reason"],
             [(one["attempt"], one["type"], one["message"]) for one in row["errors"] or []],
             exact(row["result"] or "null"))
            for row in rows
        ]  # fmt: skip


class Rehearsal:
    """A session of `pumice.testing`."""

    def __init__(self, session: testing.AgentSession) -> None:
        self.session, self.id = session, session.session_id

    def hook(self, name: str, *, query: Any = None, method: str = "POST", **options: Any) -> Seen:
        """Deliver a webhook."""
        return self._see(
            lambda: self.session.hook(name, query={"session": self.id, **(query or {})}, method=method, **options)
        )

    def chat(self, text: str, **options: Any) -> Seen:
        """Chat."""

        def chat() -> testing.Answer:
            key = options.pop("headers", {}).get("Idempotency-Key")
            self.session.chat(text, idempotency_key=key, **options)
            done = next(one for one in reversed(self.session.interactions) if one.kind == "chat")
            body = {"sessionId": self.id, "interactionId": done.id, **loads(done.result or "{}")}
            return testing.Answer(200, Headers({"Content-Type": "application/json"}), dumps(body))

        return self._see(chat)

    def _see(self, act: Any) -> Seen:
        before = len(self.session.interactions)
        try:
            answer = act()
        except Exception as error:
            new = self.session.interactions[before:]
            problem = new[-1].problem if new else error
            assert isinstance(problem, Problem), problem
            return Seen(problem.status, "application/problem+json", _steady(exact(json.dumps(problem.document()))))
        return _seen(answer.status, answer.headers.get("Content-Type"), answer.body)

    def state(self) -> Any:
        text = self.session._stored.state
        return None if text is None else exact(text)

    def messages(self) -> list[Any]:
        return [(one.role, exact(_json(one.content)), exact(_json(one.data))) for one in self.session.messages]

    def interactions(self) -> list[Any]:
        return [
            (one.kind, one.name, one.status, one.attempts, one.reason,
             [(error.attempt, error.type, error.message) for error in one.errors], exact(one.result or "null"))
            for one in self.session.interactions
        ]  # fmt: skip


def exact(text: str) -> Any:
    """JSON with its keys in order and its numbers as they are written."""
    return json.loads(text, object_pairs_hook=lambda pairs: ("object", pairs), parse_float=str, parse_int=str)


def _json(value: Any) -> str:
    return dumps(value).decode()


def _seen_response(response: httpx.Response) -> Seen:
    return _seen(response.status_code, response.headers.get("content-type"), response.content)


def _seen(status: int, content_type: str | None, body: bytes) -> Seen:
    is_json = content_type is not None and "json" in content_type
    return Seen(status, content_type, _steady(exact(body.decode())) if is_json else body)


def _steady(value: Any) -> Any:
    """The body without what is new each time."""
    if isinstance(value, tuple) and value[0] == "object":
        return [(key, one) for key, one in value[1] if key not in VOLATILE]
    return value
