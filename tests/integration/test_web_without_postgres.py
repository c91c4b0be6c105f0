"""Postgres away: nothing is accepted, everybody is told when to come back, and nothing accepted is lost."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.client import AgentClient, new_session
from tests.support.gates import Gate
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def echo(outage):
    return outage.stack.agent("echo")


CALLS = {
    "chat": lambda echo: echo.chat("x"),
    "stream": lambda echo: echo.chat("x", headers={"Accept": "text/event-stream"}),
    "async": lambda echo: echo.chat("x", headers={"Prefer": "respond-async"}),
    "sessions": lambda echo: echo.sessions(),
    "interaction": lambda echo: echo.interaction("01a202b5-7e96-77c6-b286-ab4b624c6f68"),
    "new key": lambda echo: AgentClient(echo.url, "echo", new_session(), "").chat("x"),
    "readyz": lambda echo: echo.http.get("/readyz"),
    "metrics": lambda echo: echo.http.get("/metrics"),
}


def test_everything_is_told_and_what_was_accepted_goes_on(outage, echo, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    running = echo.chat(f"gate:{gate}", session, headers={"Prefer": "respond-async"}).json()
    gate.reached()
    with echo.socket(session) as socket:
        socket.next()
        with outage.postgres.away():
            check_refusals(echo, socket)
            gate.open()
        assert echo.finished(running["interactionId"])["status"] == "done"
        wait_until(lambda: echo.chat("x", session).status_code == 200, 30, "an answer")
        socket.send("hello")
        assert socket.until("message", interactionId=socket.until("accepted")["interactionId"])
    assert echo.interactions(session)[0]["attempts"] >= 1
    assert echo.state(session)["setups"] == 1


def check_refusals(echo, socket):
    socket.send("x")
    with ThreadPoolExecutor(len(CALLS)) as pool:
        answers = dict(zip(CALLS, pool.map(lambda call: call(echo), CALLS.values()), strict=True))
    for name, answer in answers.items():
        told = answer.status_code, answer.headers["content-type"], answer.json()["type"]
        assert told == (503, "application/problem+json", "urn:pumice:problem:store-away"), name
        assert int(answer.headers["retry-after"]) >= 1
    assert socket.until("error")["error"]["type"] == "urn:pumice:problem:store-away"
    with echo.socket() as new:
        assert new.closed() == 1013
        assert new.seen[0]["error"]["status"] == 503
    assert echo.http.get("/healthz").status_code == 200


CUT = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pumice'"


def test_connections_that_are_cut_are_made_anew(outage, echo):
    session = new_session()
    client = AgentClient(echo.url, "echo", outage.stack.make_key("echo", "public"), echo.secret_key)
    outage.stack.query(CUT)
    assert client.reply("x", session) == "1: x"
    assert echo.state(session)["turns"] == 1
    client.http.close()
