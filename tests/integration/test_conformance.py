"""Where Pumice replaces something inside a library, the library as it is does the same.

One suite for both: a new version of a library has to pass it in either form before its upper bound is raised.
"""

import signal
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import redis
from flask import Flask, Response, request
from kombu import Connection, Queue

from pumice.dev.postgres import Postgres
from pumice.dev.valkey import Valkey
from pumice.messaging.redis_connection import Link
from pumice.messaging.redis_transport import TRANSPORT_OPTIONS, transport_for
from pumice.messaging.writers import writer_for
from pumice.web.http.paths import keep_slashes
from pumice.web.http.shortcuts import FinalResponse, NoSessions, SingleHostFlask
from tests.support.client import new_session
from tests.support.databases import ExternalServer, database
from tests.support.gates import Gate
from tests.support.stack import Stack, running_stack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.faults

SERVED = {
    "echo": "agents_chat:Echo",
    "streamer": "agents_chat:Streamer",
    "receiver": "agents_hooks:Receiver",
    "caller": "agents_calls:Caller",
}
AGENTS = ",".join(f"{name}=tests.support.{where}" for name, where in SERVED.items())
REDIS_DATABASE = 8
LIBRARIES = ["", "celery,flask,gunicorn,kombu"]


@pytest.fixture(scope="module", params=LIBRARIES, ids=["patched", "stock"])
def either(
    request: pytest.FixtureRequest,
    postgres_server: Postgres | ExternalServer,
    valkey_server: Valkey | ExternalServer,
    migrated_template: str,
) -> Iterator[Stack]:
    """A stack whose libraries are patched, and one whose libraries are not."""
    with database(postgres_server.url("postgres"), migrated_template) as name:
        servers = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(REDIS_DATABASE)}
        with running_stack({**servers, "STOCK": request.param, "WORKER_CONCURRENCY": "4"}, AGENTS) as running:
            yield running


def test_chats_streams_sockets_and_hooks_are_answered(either):
    echo, session = either.agent("echo"), new_session()
    assert echo.reply("one", session) == "1: one"
    assert [event.type for event in either.agent("streamer").events("two words")][-2:] == ["message", "done"]
    with echo.socket(session) as socket:
        assert socket.next()["type"] == "session"
        socket.send("two")
        assert socket.until("message")["message"]["content"].endswith(": two")
    answer = either.agent("receiver").hook("inspect", params={"session": new_session()}, json={"a": 1})
    assert answer.status_code == 200


def test_more_messages_than_threads_all_run_in_order(either):
    echo, sessions = either.agent("echo"), [new_session() for _ in range(20)]
    for text in ("a", "b"):
        for session in sessions:
            echo.chat(text, session, headers={"prefer": "respond-async"})
    for session in sessions:
        said = wait_until(partial(replies, echo, session), 20, "two replies")
        assert [text.partition(": ")[2] for text in said] == ["a", "b"]


def test_calls_reach_their_sessions(either):
    caller, target = either.agent("caller"), new_session()
    caller.reply(f"call {target}")
    wait_until(lambda: caller.exists(target), 10, "the session that was called")


def test_a_worker_that_stops_ends_its_turn_first(either, tmp_path):
    gate, session, receiver = Gate(tmp_path), new_session(), either.agent("receiver")
    with either.worker(WORKER_QUEUES="hooks", SHUTDOWN_TIMEOUT="20") as worker:
        either.shared["worker"].send(signal.SIGSTOP)
        try:
            later = {"prefer": "respond-async"}
            waiting = receiver.hook("gate", params={"session": session}, content=str(gate), headers=later).json()
            gate.reached()
            worker.send(signal.SIGTERM)
            gate.open()
            assert worker.wait_ended(25) == 0
            assert receiver.interaction(waiting["interactionId"]).json()["status"] == "done"
        finally:
            either.shared["worker"].send(signal.SIGCONT)


def replies(client: Any, session: str) -> list[str]:
    """What the agent said in a session, once that is two replies."""
    rows = client.sessions(f"/{session}/messages").json()["messages"]
    said = [row["content"] for row in rows if row["role"] == "assistant"]
    return said if len(said) == 2 else []


@pytest.mark.parametrize("reads_stock", [True, False])
@pytest.mark.parametrize("writes_stock", [True, False])
def test_what_either_writes_either_reads(redis_url, writes_stock, reads_stock):
    writer = writer_for(redis_url, stock=writes_stock)
    writer.send([("hooks", "first", [1]), ("hooks", "second", [[["a", "b"]]])])
    writer.close()
    with channel(redis_url, reads_stock) as (found, connection):
        wait_until(lambda: drained(found, connection) == 2, 5, "two messages")
        assert [(one.headers["task"], one.payload[0]) for one in found] == [("first", [1]), ("second", [[["a", "b"]]])]


@pytest.mark.parametrize("stock", [True, False])
def test_a_message_comes_when_another_is_acknowledged(redis_url, stock):
    writer = writer_for(redis_url)
    writer.send([("hooks", str(number), []) for number in range(4)])
    writer.close()
    with channel(redis_url, stock, prefetch=2) as (found, connection):
        wait_until(lambda: drained(found, connection) == 2, 5, "two messages")
        assert drained(found, connection) == 2
        found[0].ack()
        wait_until(lambda: drained(found, connection) == 3, 5, "a third")
        found[1].reject(requeue=True)
        found[2].ack()
        wait_until(lambda: drained(found, connection) == 5, 5, "the fourth, and the second again")
        assert sorted(one.headers["task"] for one in found) == ["0", "1", "1", "2", "3"]


class channel:  # noqa: N801 (a context manager is called like a function)
    """A consumer of the queue `hooks`, and what it was given."""

    def __init__(self, url: str, stock: bool, prefetch: int = 10) -> None:
        transport = transport_for(url, stock=stock)
        self._connection = Connection(url, transport=transport, transport_options=TRANSPORT_OPTIONS)
        self._found: list[Any] = []
        self._consumer = self._connection.Consumer(
            [Queue("hooks")], on_message=self._found.append, accept=["json"], prefetch_count=prefetch
        )

    def __enter__(self) -> tuple[list[Any], Connection]:
        self._consumer.consume()
        return self._found, self._connection

    def __exit__(self, *_: object) -> None:
        self._consumer.cancel()
        self._connection.release()


def drained(found: list[Any], connection: Connection) -> int:
    """How many messages there are when what comes in a moment was taken."""
    with suppress(TimeoutError):
        connection.drain_events(timeout=0.2)
    return len(found)


def test_a_link_answers_as_the_client_does(redis_url):
    link, client = Link(redis_url), redis.Redis.from_url(redis_url, protocol=2)
    commands: list[tuple[Any, ...]] = [
        ("SET", "k", "1"), ("INCR", "k"), ("GET", "none"), ("LPUSH", "l", b"\xff", "é"), ("LRANGE", "l", 0, -1),
        ("XADD", "s", "1-1", "e", "x"), ("XRANGE", "s", "-", "+"), ("EVAL", "return {1, 'a', {false}}", 0),
    ]  # fmt: skip
    answers = link.run(commands)
    client.flushdb()
    connection = client.connection_pool.get_connection()
    for command, answer in zip(commands, answers, strict=True):
        connection.send_command(*command)
        assert connection.read_response() == answer
    link.close()
    client.close()


def answering(kind: type[Flask]) -> Flask:
    """An app of that class with the routes that a front has, in small."""
    app = kind("conformance", static_folder=None)
    app.url_map.merge_slashes = False
    keep_slashes(app)
    app.session_interface = NoSessions()

    @app.route("/v1/<agent>/hooks/<name>", methods=["GET", "POST"])
    def hook(agent: str, name: str) -> Response:
        return Response(f"{request.method} {agent} {name} {request.args.to_dict(flat=False)}", mimetype="text/plain")

    @app.get("/v1/sessions/<path:rest>")
    def rest(rest: str) -> Response:
        return Response(rest, 201, {"X-Rest": "yes"})

    return app


ADDRESSES = [
    "/v1/desk/hooks/a", "/v1/desk/hooks/a?x=1&x=2&y=%20", "/v1/desk/hooks/a/", "/v1//hooks/a", "/v1/d%2Fe/hooks/%C3%A9",
    "/v1/desk/hooks", "/v1/sessions/a/b", "/v1/sessions/", "/none", "/", "/v1/desk/hooks/a%00b", "/v1/desk/hooks/%FF",
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_routes_are_found_as_flask_finds_them(address, method):
    stock, patched = (answering(kind).test_client() for kind in (Flask, SingleHostFlask))
    for _ in range(2):
        expected, found = (client.open(address, method=method) for client in (stock, patched))
        assert (found.status, sorted(found.headers), found.data) == (
            expected.status,
            sorted(expected.headers),
            expected.data,
        )


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("body", "status"), [(b"{}", 200), (b"", 200), (b"", 204), ("é".encode(), 404)])
def test_a_final_response_is_sent_as_flask_sends_it(body, status, method):
    def client(kind: type[Response]) -> Any:
        app = Flask("responses")
        app.add_url_rule("/", view_func=lambda: kind(body, status, {"X-One": "1"}, mimetype="application/json"))
        return app.test_client()

    expected, found = (client(kind).open("/", method=method) for kind in (Response, FinalResponse))
    assert (found.status, dict(found.headers), found.data) == (expected.status, dict(expected.headers), expected.data)
