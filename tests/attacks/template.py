"""Valid requests of every route, which attacks are made from."""

import base64
import json
from dataclasses import dataclass, field, replace
from typing import Any

AGENT = "any"
SOCKETS = ("/v1?agent_id=any&api_key={key}&sessionId=s", "/v1/agentId=any/apiKey={key}/sessionId=s", "/v1/any")


@dataclass(frozen=True)
class Template:
    """One request, before it is spoilt. `body` is sent as it is; `length` says whether its length is sent too."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    version: str = "HTTP/1.1"
    length: bool = True
    fields: Any = field(default=None, compare=False)

    def encode(self) -> bytes:
        """The request as bytes on the wire."""
        head = [f"{self.method} {self.target} {self.version}", *(f"{name}: {value}" for name, value in self.headers)]
        if self.length and (self.body or self.method not in {"GET", "HEAD"}):
            head.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*head, "", ""]).encode("latin-1", "replace") + self.body

    def with_headers(self, *more: tuple[str, str]) -> "Template":
        """The same request with more headers."""
        return replace(self, headers=(*self.headers, *more))


def templates(document: dict[str, Any], public: str, secret: str) -> list[Template]:
    """A request of each operation of an OpenAPI document, with either key, and the handshakes of sockets."""
    found = []
    for path, operations in document["paths"].items():
        for method in operations:
            if method in {"get", "post", "put", "patch", "delete", "head"}:
                found += [_request(method.upper(), path, key) for key in (public, secret)]
    return found + [_handshake(address.format(key=public), public) for address in SOCKETS]


def _request(method: str, path: str, key: str) -> Template:
    target = path
    for name, value in (("agent", AGENT), ("hook", "any"), ("interaction", "nothing"), ("action", "retry")):
        target = target.replace("{" + name + "}", value)
    while "{" in target:
        target = target[: target.index("{")] + "s" + target[target.index("}") + 1 :]
    fields = {"sessionId": "s", "messages": [{"role": "user", "content": "hello"}], "history": "append"}
    body = json.dumps(fields).encode() if method in {"POST", "PUT", "PATCH"} else b""
    headers = (("Host", "example.org"), ("x-api-key", key), ("Content-Type", "application/json"))
    return Template(method, target, headers, body, fields=fields)


def _handshake(target: str, key: str) -> Template:
    nonce = base64.b64encode(b"sixteen bytes ok").decode()
    return Template(
        "GET",
        target,
        (
            ("Host", "example.org"),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("x-api-key", key),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", nonce),
        ),
    )
