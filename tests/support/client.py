"""A client of one agent over HTTP, as a program elsewhere would be."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from tests.support.sockets import SocketClient
from tests.support.sse import SseEvent, read_events
from tests.support.waiting import wait_until

TIMEOUT = 30.0


def new_session() -> str:
    """A session id that no other test uses."""
    return f"s-{uuid4().hex[:12]}"


def chat_body(text: str, session: str | None = None, **fields: Any) -> dict[str, Any]:
    """The body of a chat with one user message."""
    body = {"messages": [{"role": "user", "content": text}], **fields}
    return body if session is None else {"sessionId": session, **body}


class AgentClient:
    """Calls one agent with its keys."""

    def __init__(self, url: str, agent_id: str, public_key: str, secret_key: str) -> None:
        self.url = url
        self.id = agent_id
        self.public_key, self.secret_key = public_key, secret_key
        self.http = httpx.Client(base_url=url, timeout=TIMEOUT)

    @property
    def public(self) -> dict[str, str]:
        return {"x-api-key": self.public_key}

    @property
    def secret(self) -> dict[str, str]:
        return {"x-api-key": self.secret_key}

    def post(self, path: str, **options: Any) -> httpx.Response:
        """POST with the public key; `headers` are added to it."""
        headers = {**self.public, **options.pop("headers", {})}
        return self.http.post(path, headers=headers, **options)

    def chat(
        self, text: str = "hello", session: str | None = None, *, headers: dict[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        """A chat with one user message."""
        return self.post("/v1/chat", json=chat_body(text, session, **fields), headers=headers or {})

    def reply(self, text: str = "hello", session: str | None = None, **fields: Any) -> str:
        """The text of the reply to a chat, which must succeed."""
        answer = self.chat(text, session, **fields)
        assert answer.status_code == 200, answer.text
        content: str = answer.json()["message"]["content"]
        return content

    @contextmanager
    def stream(self, text: str = "hello", session: str | None = None, **headers: str) -> Iterator[Iterator[SseEvent]]:
        """The server-sent events of a chat, as they come. Header names are given with underscores."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {**self.public, "accept": "text/event-stream", **given}
        with self.http.stream("POST", "/v1/chat", json=chat_body(text, session), headers=sent) as answer:
            assert answer.status_code == 200, answer.read()
            yield read_events(answer.iter_lines())

    def events(self, text: str = "hello", session: str | None = None, **headers: str) -> list[SseEvent]:
        """All server-sent events of a chat."""
        with self.stream(text, session, **headers) as events:
            return list(events)

    def hook(self, name: str, method: str = "POST", **options: Any) -> httpx.Response:
        """Call a hook."""
        return self.http.request(method, f"/v1/agents/{self.id}/hooks/{name}", **options)

    def interaction(self, interaction_id: str, *, secret: bool = False) -> httpx.Response:
        headers = self.secret if secret else self.public
        return self.http.get(f"/v1/interactions/{interaction_id}", headers=headers)

    def finished(self, interaction_id: str) -> dict[str, Any]:
        """The interaction, once it is finished."""

        def look() -> dict[str, Any] | None:
            answer = self.interaction(interaction_id, secret=True)
            document: dict[str, Any] = answer.json()
            return document if answer.status_code == 200 and document["status"] != "queued" else None

        return wait_until(look, 20, f"the end of {interaction_id}") or {}

    def sessions(self, path: str = "", method: str = "GET", **options: Any) -> httpx.Response:
        """Call the sessions API with the secret key; `path` begins with a slash or a question mark."""
        headers = {**self.secret, **options.pop("headers", {})}
        return self.http.request(method, f"/v1/agents/{self.id}/sessions{path}", headers=headers, **options)

    def state(self, session: str) -> dict[str, Any]:
        """A session's state, which must exist."""
        answer = self.sessions(f"/{quote(session, safe='')}")
        assert answer.status_code == 200, answer.text
        state: dict[str, Any] = answer.json()["state"]
        return state

    def interactions(self, session: str) -> list[dict[str, Any]]:
        """A session's interactions, which must be fewer than a page."""
        found: list[dict[str, Any]] = self.sessions(f"/{quote(session, safe='')}/interactions").json()["interactions"]
        return found

    def exists(self, session: str) -> bool:
        return self.sessions(f"/{quote(session, safe='')}").status_code == 200

    def socket(self, session: str | None = None, *, address: str = "", **query: str) -> SocketClient:
        """A socket on a session, by query parameters unless an `address` is given."""
        if not address:
            named = {"agent_id": self.id, "api_key": self.public_key, **query}
            named |= {} if session is None else {"sessionId": session}
            address = "/v1?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in named.items())
        return SocketClient(self.url.replace("http", "ws", 1) + address)
