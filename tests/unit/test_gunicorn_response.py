"""What the app is called with, and what the client reads, is what gunicorn would make of it."""

import re
import socket
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.unreader import IterUnreader
from gunicorn.http.wsgi import Response, create
from hypothesis import given
from hypothesis import strategies as st

from pumice.web.gunicorn_parser import QuickRequest
from pumice.web.gunicorn_response import SHORT, Handover, OneWriteResponse

PEER, LISTENER = ("10.0.0.1", 4000), ("10.0.0.2", 8000)
OWN = {"wsgi.errors", "wsgi.early_hints", "wsgi.file_wrapper", "wsgi.multithread", "wsgi.input"}
"""What differs by intention, or is an object of its own for each request."""
CONFIG = Config()
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["Host", "Content-Type", "X-Forwarded-For", "Accept", "Cookie", "x-a", "X-Forwarded-Proto"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=10),
    ),
    max_size=6,
    unique_by=lambda pair: pair[0] if pair[0] in {"Host", "Content-Type", "X-Forwarded-Proto"} else object(),
)
STATUSES = st.sampled_from(["200 OK", "202 Accepted", "204 No Content", "304 Not Modified", "500 Oops"])
PIECES = st.lists(st.sampled_from([b"", b"a", b"text", b"x" * (SHORT + 1)]), max_size=3)


class Socket(socket.socket):
    """Remembers what is written, of which `send` takes only a part."""

    def __init__(self, takes: int = 10**9) -> None:
        super().__init__()
        self.close()
        self.writes: list[bytes] = []
        self.takes = takes

    def send(self, data: Any, flags: int = 0) -> int:
        self.writes.append(bytes(data[: self.takes]))
        return min(len(data), self.takes)

    def sendall(self, data: Any, flags: int = 0) -> None:
        self.writes.append(bytes(data))


def request(method: str = "POST", version: str = "1.1", headers: list[tuple[str, str]] | None = None) -> Any:
    lines = [f"{method} /a%20b/%ff?c=d HTTP/{version}", *(f"{name}: {value}" for name, value in headers or [])]
    made = QuickRequest(CONFIG, IterUnreader([("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")]), PEER, 1)
    assert made.plain
    return made


@given(HEADERS, st.sampled_from(["GET", "POST"]), st.sampled_from(["1.0", "1.1"]))
def test_the_app_is_called_with_what_gunicorn_would_hand_over(headers, method, version):
    sock, asked = Socket(), request(method, version, headers)
    theirs = create(asked, sock, PEER, LISTENER, CONFIG)[1]
    ours = Handover(CONFIG).environ(asked, sock, PEER, LISTENER)
    assert {key: value for key, value in ours.items() if key not in OWN} == {
        key: value for key, value in theirs.items() if key not in OWN
    }
    assert ours["wsgi.input"] is asked.body
    assert ours["wsgi.multithread"]


def sent(kind: type[Response], asked: Any, status: str, length: int | None, pieces: list[bytes], takes: int) -> Socket:
    """What a response writes."""
    sock = Socket(takes)
    response = kind(asked, sock, CONFIG)
    response.start_response(status, [("X-A", "b")] + ([("Content-Length", str(length))] if length is not None else []))
    for piece in pieces:
        response.write(piece)
    response.close()
    return sock


def without_date(sock: Socket) -> bytes:
    return re.sub(rb"Date: [^\r]+\r\n", b"", b"".join(sock.writes))


@given(st.data())
def test_a_response_is_what_gunicorn_writes(data):
    pieces, status = data.draw(PIECES), data.draw(STATUSES)
    asked = request(data.draw(st.sampled_from(["GET", "HEAD"])), data.draw(st.sampled_from(["1.0", "1.1"])))
    length = data.draw(st.sampled_from([None, sum(map(len, pieces)), 2]))
    takes = data.draw(st.sampled_from([1, 70, 10**9]))
    ours, theirs = (sent(kind, asked, status, length, pieces, takes) for kind in (OneWriteResponse, Response))
    assert without_date(ours) == without_date(theirs)


def test_a_short_response_is_one_write():
    assert len(sent(OneWriteResponse, request(), "202 Accepted", 4, [b"text"], 10**9).writes) == 1


def test_the_date_is_that_of_the_second(monkeypatch):
    times = iter([0.2, 0.9, 1.0])
    monkeypatch.setattr("pumice.web.gunicorn_response.time.time", lambda: next(times))
    dates = []
    for _ in range(3):
        dates += re.findall(rb"Date: ([^\r]+)", sent(OneWriteResponse, request(), "200 OK", 0, [], 1).writes[0])
    assert dates == [b"Thu, 01 Jan 1970 00:00:00 GMT"] * 2 + [b"Thu, 01 Jan 1970 00:00:01 GMT"]


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\x00"])
def test_a_header_that_would_split_the_response_is_refused(value):
    response = OneWriteResponse(request(), Socket(), CONFIG)
    with pytest.raises(Exception, match="X-A"):
        response.start_response("200 OK", [("X-A", value)])
