"""The request that a hook sees and the response that it gives, frozen, with their forms on the wire."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.datastructures import FileStorage, Headers, MultiDict
from werkzeug.http import parse_options_header

from pumice.agents.body_text import as_text, decompressed, parse_body_json
from pumice.agents.forms import MULTIPART, URLENCODED, parse_multipart, parse_urlencoded
from pumice.agents.json_text import dumps

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A field name of RFC 9110, section 5.1."""
HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
"""A field value of RFC 9110, section 5.5, that the front can send as Latin-1."""


@dataclass(frozen=True)
class Request:
    """A webhook request: `method`, `path`, `query`, `headers` (any case), `body` and the parsed forms of it.

    body: the bytes as they came, compressed or not: those that a signature is of.
    event, delivery_id, source: what its hook's source found: the event's type, the delivery's id, the sender's name.
    stale: whether a newer event of the same hook came to this session before it, where the hook asks for that.
    """

    method: str = "POST"
    path: str = "/"
    query: MultiDict[str, str] = field(default_factory=MultiDict)
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    event: str | None = None
    delivery_id: str | None = None
    source: str | None = None
    stale: bool = False

    def _header(self, name: str) -> str:
        """A header by its name in lower case; empty where it is missing."""
        value: str = self.headers.get(name, "")
        return value

    @cached_property
    def content_type(self) -> str:
        """The media type, without parameters, in lower case."""
        return self._header("content-type").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str | None:
        """The charset that its content type names."""
        kind = self._header("content-type")
        return parse_options_header(kind)[1].get("charset") if "=" in kind else None

    @property
    def is_json(self) -> bool:
        """Whether the body says that it is JSON."""
        return self.content_type == "application/json" or self.content_type.endswith("+json")

    @property
    def is_form(self) -> bool:
        """Whether the body says that it is a form."""
        return self.content_type in {URLENCODED, MULTIPART}

    @cached_property
    def content(self) -> bytes:
        """The body without its content encoding (gzip, deflate). Raises `Malformed`, `TooLarge`, `UnsupportedMedia`."""
        encoding = self._header("content-encoding")
        return decompressed(self.body, encoding) if encoding else self.body

    @cached_property
    def json(self) -> Any:
        """The body parsed as JSON, whatever its content type. Raises `Malformed` with the position, and as `content`.

        Numbers are exact; half a surrogate pair, which some senders write, is U+FFFD.
        """
        return parse_body_json(self.content, self.charset)

    @cached_property
    def text(self) -> str:
        """The body as text, by its charset or as UTF-8; bytes that are none of it are replaced. Raises as `content`."""
        return as_text(self.content, self.charset)

    @cached_property
    def _parsed(self) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
        if self.content_type == URLENCODED:
            return parse_urlencoded(self.content, self.charset), MultiDict()
        if self.content_type == MULTIPART:
            return parse_multipart(self.content, self._header("content-type"))
        return MultiDict(), MultiDict()

    @property
    def form(self) -> MultiDict[str, str]:
        """The fields of a urlencoded or multipart body. Raises as `content`, and `TooLarge` for too many fields."""
        return self._parsed[0]

    @property
    def files(self) -> MultiDict[str, FileStorage]:
        """The files of a multipart body."""
        return self._parsed[1]

    def encode(self) -> dict[str, Any]:
        """The request without its body, as JSON can hold it."""
        return {
            "method": self.method,
            "path": self.path,
            "query": list(self.query.items(multi=True)),
            "headers": list(self.headers),
            **{name: value for name in FOUND if (value := getattr(self, FOUND[name]))},
        }

    @classmethod
    def decode(cls, payload: Mapping[str, Any], body: bytes) -> "Request":
        """The reverse of `encode`."""
        return _DecodedRequest(payload, body)


FOUND = {"event": "event", "deliveryId": "delivery_id", "source": "source", "stale": "stale"}
"""What a source found, as the wire and as the request name it."""


class _DecodedRequest(Request):
    """A request from the wire. Its query and headers are put together when a handler looks at them."""

    def __init__(self, payload: Mapping[str, Any], body: bytes) -> None:
        fields = {"method": payload["method"], "path": payload["path"], "body": body, "_payload": payload}
        fields.update({FOUND[name]: payload[name] for name in FOUND if name in payload})
        self.__dict__.update(fields)

    @cached_property
    def _first_values(self) -> dict[str, str]:
        """The first value of each header, by its name in lower case."""
        return {key.lower(): value for key, value in reversed(self.__dict__["_payload"]["headers"])}

    def _header(self, name: str) -> str:
        return self._first_values.get(name, "")

    def encode(self) -> dict[str, Any]:
        """What it was made from."""
        return dict(self.__dict__["_payload"])

    @cached_property
    def query(self) -> MultiDict[str, str]:
        """The query parameters."""
        return MultiDict([(key, value) for key, value in self.__dict__["_payload"]["query"]])

    @cached_property
    def headers(self) -> Headers:
        """The headers."""
        return Headers([(key, value) for key, value in self.__dict__["_payload"]["headers"]])


def query_pairs(path: str) -> list[tuple[str, str]]:
    """The parameters of a path's query, as the front reads them."""
    return parse_qsl(path.partition("?")[2], keep_blank_values=True, errors="replace")


def asks_async(preference: str | None) -> bool:
    """Whether the header `Prefer` of this value asks for a 202 at once (RFC 7240)."""
    if not preference:
        return False
    return "respond-async" in (one.strip() for one in preference.lower().replace(";", ",").split(","))


@dataclass(frozen=True)
class Response:
    """What a hook answers: `body` (JSON value, text or bytes), `status` and `headers`."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] | list[tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any) -> "Response":
        """Read a handler's return value: a body, `(body, status)`, `(body, status, headers)` or a `Response`.

        Raises `TypeError` for a tuple of any other form or a status that is none.
        """
        if isinstance(value, Response):
            return value
        if not isinstance(value, tuple):
            return cls(value, 204 if value is None else 200)
        if not 1 <= len(value) <= 3:  # noqa: PLR2004 (body, status, headers)
            raise TypeError("a hook returns a body, (body, status) or (body, status, headers)")
        return cls(*value)

    def encode(self) -> dict[str, Any]:
        """The response as JSON can hold it. Raises `TypeError` when it is not one."""
        if isinstance(self.status, bool) or not isinstance(self.status, int) or not 200 <= self.status <= 599:  # noqa: PLR2004
            raise TypeError(f"a hook's status must be a number from 200 to 599, not {self.status!r}")
        pairs = self.headers.items() if isinstance(self.headers, Mapping) else self.headers
        headers = [[str(key), str(value)] for key, value in pairs]
        for name, value in headers:
            if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(value):
                raise TypeError(f"a hook's header {name!r} can't be sent with the value {value!r}")
        wire: dict[str, Any] = {"status": self.status, "headers": headers}
        if isinstance(self.body, bytes | bytearray | memoryview):
            return wire | {"base64": base64.b64encode(self.body).decode()}
        if isinstance(self.body, str):
            return wire | {"text": self.body}
        return wire if self.body is None else wire | {"json": self.body}


def decode_response(wire: Mapping[str, Any]) -> tuple[bytes, int, list[tuple[str, str]]]:
    """What `Response.encode` made, as body, status and headers with a content type."""
    headers = [(key, value) for key, value in wire["headers"]]
    body, content_type = b"", None
    if "base64" in wire:
        body, content_type = base64.b64decode(wire["base64"]), "application/octet-stream"
    elif "text" in wire:
        body, content_type = wire["text"].encode(), "text/plain; charset=utf-8"
    elif "json" in wire:
        body, content_type = dumps(wire["json"]), "application/json"
    if content_type and not any(key.lower() == "content-type" for key, _ in headers):
        headers.append(("Content-Type", content_type))
    return body, wire["status"], headers
