"""A Postgres that is there and refuses writes, or never answers, is away: 503, a red readyz, and it heals by itself."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pumice.dev.children import Guard
from tests.support.client import new_session
from tests.support.gates import Gate
from tests.support.proxy import Proxy
from tests.support.stack import Stack
from tests.support.waiting import wait_until

FULL = """
create function refuse() returns trigger language plpgsql as $$
begin raise exception 'could not extend file "base/1": No space left on device' using errcode = '53100'; end $$;
create trigger refuse before insert or update on interactions execute function refuse();
create trigger refuse before insert on sessions execute function refuse();
"""
READ_ONLY = {"on": "alter system set default_transaction_read_only = on", "off": "alter system reset all"}
LACKS = {
    "read-only": ([READ_ONLY["on"], "select pg_reload_conf()"], [READ_ONLY["off"], "select pg_reload_conf()"]),
    "full disk": ([FULL], ["set default_transaction_read_only = off; drop function refuse cascade"]),
}
SAYS = {"read-only": "takes no writes", "full disk": "has no space left"}

CALLS = {
    "chat": lambda echo: echo.chat("x"),
    "stream": lambda echo: echo.chat("x", headers={"Accept": "text/event-stream"}),
    "async": lambda echo: echo.chat("x", headers={"Prefer": "respond-async"}),
    "create": lambda echo: echo.sessions(method="POST", json={}),
}


def run(stack, statements):
    for statement in statements:
        stack.query(statement)


def is_ready(client):
    return client.http.get("/readyz").status_code == 200


def check_refusal(answer):
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:pumice:problem:store-away"), answer.text
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.faults
@pytest.mark.parametrize("lack", LACKS)
def test_writes_that_are_refused_are_503_and_turns_are_kept(outage, tmp_path, lack):
    stack, echo = outage.stack, outage.stack.agent("echo")
    refuse, allow = LACKS[lack]
    gate, session = Gate(tmp_path), new_session()
    running = echo.chat(f"gate:{gate}", session, headers={"Prefer": "respond-async"}).json()["interactionId"]
    gate.reached()
    with stack.process("beat") as beat:
        wait_until(lambda: stack.query("select 1 from beats where name like %s", f"%:{beat.pid}"), 30, "a beat")
        run(stack, refuse)
        try:
            wait_until(lambda: not is_ready(echo), 10, "a red readyz")
            with ThreadPoolExecutor(len(CALLS)) as pool:
                for answer in pool.map(lambda call: call(echo), CALLS.values()):
                    check_refusal(answer)
            told = echo.http.get("/readyz")
            check_refusal(told)
            assert SAYS[lack] in told.json()["detail"]
            gate.open()
            worker = stack.shared["worker"]
            wait_until(lambda: "commit_away" in worker.output, 20, "a commit that was refused")
        finally:
            run(stack, allow)
        wait_until(lambda: is_ready(echo), 10, "a green readyz")
        assert echo.reply("x", new_session()) == "1: x"
        seen = echo.finished(running)
        assert (seen["status"], seen["error"]) == ("done", None)
        assert echo.state(session)["turns"] == 1
        before = stack.query("select now() as now")[0]["now"]
        shown = "select 1 from beats where name like %s and seen_at > %s"
        wait_until(lambda: stack.query(shown, f"%:{beat.pid}", before), 10, "the beat, alive")
    assert stack.shared["front"].output.count("postgres_away") == stack.shared["front"].output.count("postgres_back")


@pytest.mark.faults
def test_a_postgres_that_never_answers_is_away(postgres_server, migrated_template, redis_url, database_url):
    port = int(database_url.rpartition(":")[2].partition("/")[0])
    proxy = Proxy(port)
    environ = {"REDIS_URL": redis_url, "AGENTS": "plain=tests.support.agents_chat:Echo", "DATABASE_URL": database_url}
    with Guard() as guard:
        stack = Stack(environ, guard)
        with stack.front(DATABASE_URL=database_url.replace(f":{port}/", f":{proxy.port}/")) as front:
            plain = stack.agent("plain", front.url)
            plain.chat("x", headers={"Prefer": "respond-async"})
            proxy.stall()
            wait_until(lambda: not is_ready(plain), 10, "a red readyz")
            for _ in range(3):
                began = time.monotonic()
                check_refusal(plain.http.get("/readyz"))
                assert time.monotonic() - began < 4
            check_refusal(plain.chat("x", headers={"Prefer": "respond-async"}))
            proxy.resume()
            wait_until(lambda: is_ready(plain), 15, "a green readyz")
            assert plain.chat("x", headers={"Prefer": "respond-async"}).status_code == 202
    proxy.close()


def test_a_value_that_is_too_large_for_an_index_is_the_senders_fault(echo, stack):
    session, noise = new_session(), {"noise": os.urandom(6_000).hex()}
    stack.query("create index too_small on sessions ((metadata ->> 'noise'))")
    try:
        created = echo.sessions(method="POST", json={"sessionId": session})
        assert created.status_code == 201
        for answer in (
            echo.sessions(f"/{session}", "PATCH", json={"metadata": noise}),
            echo.sessions(method="POST", json={"sessionId": new_session(), "metadata": noise}),
        ):
            assert (answer.status_code, "too large" in answer.text) == (422, True), answer.text
    finally:
        stack.query("drop index too_small")
