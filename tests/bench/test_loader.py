"""The loader counts right: everything it reports is compared with what a server in this process has seen."""

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.bench.loader.caller import Caller
from tests.bench.loader.http import LOST, Load, drive, reply_size
from tests.bench.loader.pool import run_load
from tests.bench.loader.sockets import frame, take_frame


class Counting(socketserver.StreamRequestHandler):
    """Answers keep-alive requests whose path is the wanted status, or closes the connection for /close."""

    def handle(self) -> None:
        with self.server.lock:  # type: ignore[attr-defined]
            self.server.connections += 1  # type: ignore[attr-defined]
        while line := self.rfile.readline():
            path = line.split()[1].decode()
            while self.rfile.readline() != b"\r\n":
                pass
            with self.server.lock:  # type: ignore[attr-defined]
                self.server.seen.append(path)  # type: ignore[attr-defined]
            if path == "/close":
                return
            self.wfile.write(f"HTTP/1.1 {path[1:]} X\r\ncontent-length: 4\r\n\r\nbody".encode())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Counting)
        self.lock = threading.Lock()
        self.seen: list[str] = []
        self.connections = 0


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def load(server: Server, *paths: str, connections: int = 4, rate: float | None = None) -> Load:
    requests = [f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in paths]
    return Load(("127.0.0.1", server.server_address[1]), requests, connections, rate, keep_bodies=True)


def test_every_request_is_sent_once_and_every_answer_is_counted(server: Server) -> None:
    outcome = run_load(load(server, *["/202"] * 60, *["/500"] * 40, connections=7))
    assert sorted(server.seen) == ["/202"] * 60 + ["/500"] * 40
    assert outcome.statuses == {202: 60, 500: 40}
    assert outcome.succeeded == 60
    assert outcome.bodies == [b"body"] * 100
    assert len(outcome.latencies) == 100
    assert 0 < max(outcome.latencies) <= outcome.seconds


def test_a_connection_that_breaks_counts_its_request_as_lost(server: Server) -> None:
    outcome = drive(load(server, "/200", "/close", "/200", connections=1))
    assert outcome.statuses == {200: 2, LOST: 1}


def test_a_caller_asks_again_on_the_same_connection(server: Server) -> None:
    with closing(Caller(("127.0.0.1", server.server_address[1]))) as caller:
        answers = [caller.ask(f"GET /{status} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) for status in (200, 500)]
        with pytest.raises(ConnectionError, match="closed before the answer"):
            caller.ask(b"GET /close HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"body"), (500, b"body")]
    assert server.connections == 1


def test_a_rate_is_kept(server: Server) -> None:
    started = time.monotonic()
    outcome = drive(load(server, *["/200"] * 20, rate=100))
    assert outcome.succeeded == 20
    assert time.monotonic() - started >= 0.19


def test_an_answer_is_whole_only_with_its_body() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\n"
    assert reply_size(head[:-1]) is None
    assert reply_size(head) == len(head) + 5
    with pytest.raises(ValueError, match="no Content-Length"):
        reply_size(b"HTTP/1.1 200 OK\r\n\r\n")


@pytest.mark.parametrize("size", [0, 125, 126, 70_000])
def test_frames_come_out_as_they_went_in(size: int) -> None:
    head = bytes([0x81, size]) if size < 126 else bytes([0x81, 127]) + size.to_bytes(8, "big")
    wire = head + b"x" * size
    assert take_frame(wire + b"rest") == (1, b"x" * size, b"rest")
    assert take_frame(wire[:-1]) is None


def test_a_client_masks_its_frames() -> None:
    sent = frame(b"hello")
    mask, masked = sent[2:6], sent[6:]
    assert sent[1] == 0x80 | 5
    assert bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked)) == b"hello"
