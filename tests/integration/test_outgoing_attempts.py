"""Single attempts at servers on this machine: the address that was checked is called, and all is bounded."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pumice.outgoing import attempt
from pumice.outgoing.addresses import networks
from pumice.outgoing.attempt import Sender
from pumice.sessions.outgoing_endpoints import new_secret
from pumice.sessions.outgoing_steps import Claimed, Recorded

LOCAL = networks("127.0.0.0/8")
HOST = "events.example.com"


@contextmanager
def server(answer: Callable[[socket.socket], Any], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A port on which each connection is answered by a function."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(connection, server_side=True) if context else connection as stream:
                        answer(stream)
                except OSError:
                    continue

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def says(text: bytes) -> Callable[[socket.socket], None]:
    """An answer to whatever was asked."""

    def answer(connection: socket.socket) -> None:
        read(connection)
        connection.sendall(text)

    return answer


def read(connection: socket.socket) -> bytes:
    """A request."""
    found = b""
    while b"\r\n\r\n" not in found or not found.endswith(b"}"):
        piece = connection.recv(65_536)
        if not piece:
            break
        found += piece
    return found


def sent(url: str, sender: Sender | None = None, **fields: Any) -> Recorded:
    """What came of one attempt."""
    secret = fields.pop("secret", new_secret())
    now = datetime.now(UTC)
    one = Claimed("e1", "p1", "shop", 1, 0, url, secret, None, False, "order.shipped", '{"a":1}', "s", now)
    return asyncio.run((sender or Sender(LOCAL)).attempt(one))


def certificate(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate for a name, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path, key_path = folder / f"{name}.pem", folder / f"{name}.key"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    no = serialization.NoEncryption()
    key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key_path)
    return path, context


def at(port: int) -> Callable[..., Any]:
    """A resolver by which every name is this machine, and that is asked once only."""
    asked: list[str] = []

    def resolve(target: Any) -> Any:
        asked.append(target.host)
        assert len(asked) == 1, "the name was resolved twice"
        return [(socket.AF_INET, ("127.0.0.1", port))]

    return resolve


def test_the_name_is_resolved_once_and_its_certificate_verified(tmp_path):
    path, context = certificate(tmp_path, HOST)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    trusting = ssl.create_default_context(cafile=str(path))
    requests: list[bytes] = []

    def answer(stream: socket.socket) -> None:
        requests.append(read(stream))
        stream.sendall(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")

    with server(answer, context) as port:
        done = sent(f"https://{HOST}:{port}/a?b", Sender(LOCAL, context=trusting, resolve=at(port)))
        assert (done.is_delivered, done.status) == (True, 202)
        assert names == [HOST]
        assert requests[0].startswith(f"POST /a?b HTTP/1.1\r\nhost: {HOST}:{port}\r\n".encode())
        other = sent(f"https://other.example.com:{port}/", Sender(LOCAL, context=trusting, resolve=at(port)))
        assert not other.is_delivered
        assert "certificate is not valid: Hostname mismatch" in (other.error or "")
        stranger = sent(f"https://{HOST}:{port}/", Sender(LOCAL, resolve=at(port)))
        assert "certificate is not valid: self-signed" in (stranger.error or "")
    assert len(requests) == 1


def test_a_name_that_turns_private_after_it_was_checked_is_not_called():
    called: list[bytes] = []
    with server(lambda connection: called.append(read(connection))) as port:
        refused = sent(f"https://{HOST}:{port}/", Sender((), resolve=at(port)))
        assert (refused.is_delivered, refused.status) == (False, None)
        assert "which is not public" in (refused.error or "")
        plain = sent(f"http://127.0.0.1:{port}/", Sender(()))
        assert "which is not public" in (plain.error or "")
    assert called == []


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"", "without an answer"),
        (b"HTTP/1.1 200", "without an answer"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "is not HTTP/1.1"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "is not HTTP/1.1"),
        (b"HTTP/2 200\r\n\r\n", "is not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 40_000, "longer than"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 6, "interim"),
        (b"HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1/\r\n\r\n", "it answered 307"),
        (b"HTTP/1.1 500 No\r\ncontent-length: 3\r\n\r\nno!more", "it answered 500: no!"),
    ],
)
def test_answers_that_are_none(text, error):
    with server(says(text)) as port:
        done = sent(f"http://127.0.0.1:{port}/")
    assert not done.is_delivered
    assert error in (done.error or "")


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 204\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n" + b"a" * 1_000_000,
        b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 299 Fine\r\n\r\n",
    ],
)
def test_answers_that_are_a_success(text):
    with server(says(text)) as port:
        assert sent(f"http://127.0.0.1:{port}/").is_delivered


def test_what_is_told_of_a_large_answer_is_little():
    with server(says(b"HTTP/1.1 500 No\r\n\r\n" + b"\x00\xff\n" * 1_000_000)) as port:
        done = sent(f"http://127.0.0.1:{port}/")
    assert done.status == 500
    assert len(done.error or "") <= 300
    assert (done.error or "").isprintable()


@pytest.mark.parametrize("kind", ["silent", "drop by drop", "deaf"])
def test_an_attempt_ends_in_time_however_slow_the_endpoint_is(kind, monkeypatch):
    monkeypatch.setattr(attempt, "TIME_LIMIT", 1.0)
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        if kind == "deaf":
            over.wait(20)
            return
        read(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while kind == "drop by drop" and not over.wait(0.05):
            connection.sendall(b"x: y\r\n")
        over.wait(20)

    with server(answer) as port:
        done = sent(f"http://127.0.0.1:{port}/")
        over.set()
    assert (done.is_delivered, done.error) == (False, "no answer within 1 s")
    assert done.tried["seconds"] < 3


def test_a_name_server_that_is_slow_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(attempt, "TIME_LIMIT", 0.5)
    over = threading.Event()

    def resolve(_target: Any) -> Any:
        over.wait(20)
        return []

    done = sent(f"https://{HOST}/", Sender(LOCAL, resolve=resolve))
    over.set()
    assert done.error == "no answer within 0 s"


def test_a_port_at_which_nobody_listens_and_a_name_that_does_not_resolve():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert "no connection" in (sent(f"http://127.0.0.1:{port}/").error or "")
    assert "does not resolve" in (sent("https://nothing.invalid/").error or "")
