"""Ways to spoil a request. Each takes a source of chance and a valid request, and gives bytes for the wire."""

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from tests.attacks.template import Template

Spoiler = Callable[[Random, Template], bytes]

NASTY = (
    "\x00",
    "\r",
    "\n",
    "\xff",
    "%",
    "%zz",
    "%00",
    "%0d%0a",
    "%ff%fe",
    "//[%2F",
    "[",
    "]",
    "\\",
    "é",
    "\u2028",
    " ",
    "\t",
    "#",
    "?",
    "&",
    "=",
    ":",
    "..",
    "%2e%2e%2f",
    "%2F%2f",
    "${x}",
    "'",
    '"',
    "\x1f",
    "@",
    "http://[",
    "$static:x",
)
METHODS = ("get", "POSTT", "PRI", "CONNECT", "TRACE", "OPTIONS", "HEAD", "G", "", "PROPFIND", "A" * 40, "GET\x00", "ÄÖ")
VERSIONS = ("HTTP/0.9", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/9", "http/1.1", "", "HTTP/1.1 x", "HTCPCP/1.0")
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e308,
    2**70,
    "",
    "x",
    "\x00",
    "\U0001f600",
    "x" * 5000,
    [],
    {},
    [[]],
    [{}],
    {"a": 1},
    [None],
    {"role": {}},
    [{"role": [], "content": {}}],
    [{"content": [1]}],
)
HEADERS = (
    ("Content-Length", "-1"),
    ("Content-Length", "x"),
    ("Content-Length", "5, 5"),
    ("Content-Length", "99999999999999999999"),
    ("Content-Length", "+3"),
    ("Content-Length", "²"),
    ("Transfer-Encoding", "chunked"),
    ("Transfer-Encoding", "gzip"),
    ("Transfer-Encoding", "xchunked"),
    ("Transfer-Encoding", "chunked, chunked"),
    ("Expect", "100-continue"),
    ("Expect", "the-unexpected"),
    ("Host", ""),
    ("Host", "a b"),
    ("Host", "x:99999999"),
    ("Connection", "close, keep-alive"),
    ("Upgrade", "websocket"),
    ("Upgrade", "h2c"),
    ("HTTP2-Settings", "AAMAAABk"),
    ("Content-Type", "application/x-www-form-urlencoded"),
    ("Content-Type", "multipart/form-data"),
    ("Content-Type", "multipart/form-data; boundary=\xff"),
    ("Content-Encoding", "gzip"),
    ("Content-Type", "application/json; charset=none"),
    ("Last-Event-ID", "x"),
    ("Accept", "text/event-stream"),
    ("Idempotency-Key", ""),
    ("Idempotency-Key", "k" * 300),
    ("Idempotency-Key", "\xff"),
    ("x-session-id", "\xff"),
    ("x-session-token", "a.b.c"),
    ("Authorization", "Bearer "),
    ("Authorization", "Basic x"),
    ("Prefer", "respond-async"),
    ("X-Forwarded-For", "x, y"),
    ("Forwarded", 'for="[::1'),
    ("Cookie", "=;=;" * 100),
    ("SCRIPT_NAME", "/x"),
    ("Script-Name", "/x"),
    ("X-Forwarded-Proto", "x"),
    ("Range", "bytes=9-1"),
    ("If-Match", "x"),
    ("Sec-WebSocket-Key", "x"),
    ("Sec-WebSocket-Version", "8"),
    ("Sec-WebSocket-Extensions", ";;"),
    ("Sec-WebSocket-Protocol", ",,\xff"),
    ("Origin", "null"),
    (" Bad", "x"),
    ("Bad Name", "x"),
    ("", "x"),
    ("A\x00", "x"),
    ("X", "\x00"),
    ("X", "a\r\n b"),
    ("X", "\x7f"),
)
PREFACES = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /\r\n",
    b"\r\n\r\n",
    b"\n",
    b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    b"\x00" * 64,
    b"SSH-2.0-x\r\n",
    b"GET  /  HTTP/1.1\r\n\r\n",
)
CHUNKS = (
    b"zz\r\nx\r\n",
    b"-1\r\nx\r\n",
    b"5\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabcX",
    b"3;a=b\r\n{} \r\n0\r\n\r\n",
    b"0\r\nHost: x\r\n\r\n",
    b"\r\n",
    b"FFFFFFFFFFFFFFFFFF\r\n",
    b"2;\x00\r\n{}\r\n0\r\n\r\n",
    b"2\n{}\n0\n\n",
    b"2\r\n{}\r\n0\r\n\r\n",
    b"0\r\n",
)


def spoil(chance: Random, template: Template) -> bytes:
    """Spoil a request in one way, or in two or three."""
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        template = chance.choice(KEEPERS)(chance, template)
    return chance.choice(SPOILERS)(chance, template)


def _target(chance: Random, template: Template) -> Template:
    at, target = chance.randrange(len(template.target) + 1), template.target
    bad = chance.choice(NASTY) * chance.choice((1, 1, 1, 3))
    kinds = (
        target[:at] + bad + target[at:],
        bad + target,
        target + "?" + bad,
        f"http://x{target}",
        f"{target}/{bad}",
        "*",
        "",
        "x:80",
        target + "?a=" + "%D0%B6" * chance.choice((700, 1300, 5000)),
        target.replace("/", "//"),
        target[:at],
        target.replace("any", chance.choice(NASTY)),
        target + "?limit=" + bad + "&cursor=" + bad,
    )
    return replace(template, target=chance.choice(kinds))


def _line(chance: Random, template: Template) -> Template:
    if chance.random() < 0.5:
        return replace(template, method=chance.choice(METHODS))
    return replace(template, version=chance.choice(VERSIONS))


def _header(chance: Random, template: Template) -> Template:
    return template.with_headers(*chance.sample(HEADERS, chance.choice((1, 1, 2))))


def _fewer(chance: Random, template: Template) -> Template:
    left = list(template.headers)
    if left:
        left.pop(chance.randrange(len(left)))
    return replace(template, headers=tuple(left))


def _field(chance: Random, template: Template) -> Template:
    names = (
        "sessionId",
        "session_id",
        "messages",
        "history",
        "apiKey",
        "metadata",
        "queued",
        "status",
        "kind",
        "name",
        "sessionToken",
        "timezone",
        "role",
        "temporary",
    )
    changed = {**(template.fields or {}), **{chance.choice(names): chance.choice(VALUES) for _ in range(2)}}
    body: Any = changed if chance.random() < 0.9 else chance.choice(VALUES)
    return replace(template, body=json.dumps(body).encode())


def _whole(_chance: Random, template: Template) -> bytes:
    return template.encode()


def _body_bytes(chance: Random, template: Template) -> bytes:
    bodies = (
        b"\xff\xfe",
        b"[" * 5000,
        b"{" * 5000,
        b'{"a":' * 600,
        b"NaN",
        b'"\\ud800"',
        b"",
        b"\x00" * 100,
        template.body[:-1],
        b"\xef\xbb\xbf" + template.body,
        template.body + b"x",
        b"[" + b"[]," * 90_000 + b"1]",
        b"a=1&" * 12_000,
        b"%" * 5000,
        b"--x\r\n" * 1500,
        chance.randbytes(chance.choice((1, 100, 3000))),
    )
    return replace(template, body=chance.choice(bodies)).encode()


def _chunked(chance: Random, template: Template) -> bytes:
    bare = replace(template, body=b"", length=False).with_headers(("Transfer-Encoding", "chunked"))
    return bare.encode() + chance.choice(CHUNKS)


def _cut(chance: Random, template: Template) -> bytes:
    data = template.encode()
    return data[: chance.randrange(1, len(data))]


def _flip(chance: Random, template: Template) -> bytes:
    data = bytearray(template.encode())
    for _ in range(chance.choice((1, 2, 8))):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def _giant(chance: Random, template: Template) -> bytes:
    many = tuple((f"X-{number}", "x") for number in range(chance.choice((90, 300))))
    kinds = (("X", "x" * 9_000), ("X", "x" * 100_000), ("Cookie", "a=b;" * 2_000))
    return template.with_headers(*many if chance.random() < 0.5 else (chance.choice(kinds),)).encode()


def _pipelined(chance: Random, template: Template) -> bytes:
    return template.encode() + chance.choice((*PREFACES, template.encode(), chance.randbytes(50)))


def _preface(chance: Random, _template: Template) -> bytes:
    return chance.choice(PREFACES)


def _line_ends(chance: Random, template: Template) -> bytes:
    return template.encode().replace(b"\r\n", chance.choice((b"\n", b"\r", b"\r\r\n", b"\n\r")))


KEEPERS = (_target, _line, _header, _fewer, _field)
"""Leave a request that can be spoilt further."""
SPOILERS: tuple[Spoiler, ...] = (
    *[lambda chance, template, one=one: one(chance, template).encode() for one in KEEPERS for _ in range(2)],
    _whole,
    _body_bytes,
    _chunked,
    _cut,
    _flip,
    _giant,
    _pipelined,
    _preface,
    _line_ends,
)
