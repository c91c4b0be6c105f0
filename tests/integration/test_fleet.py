"""Operations on all sessions for which a condition holds, through the API and the command, on a front and workers."""

import json
import signal
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from pumice.dev.postgres import Postgres
from pumice.dev.valkey import Valkey
from pumice.sessions.operation_steps import TAKES
from tests.support.client import AgentClient, new_session
from tests.support.commands import Commands
from tests.support.control import accept
from tests.support.databases import ExternalServer, database
from tests.support.gates import Gate
from tests.support.stack import Stack, running_stack
from tests.support.waiting import wait_until

AGENTS = "ledger=tests.support.agents_fleet:Ledger,other=tests.support.agents_fleet:Ledger"
REDIS_DATABASE = 14
MANY = 600


@pytest.fixture(scope="module")
def stack(
    postgres_server: Postgres | ExternalServer, valkey_server: Valkey | ExternalServer, migrated_template: str
) -> Iterator[Stack]:
    with database(postgres_server.url("postgres"), migrated_template) as name:
        servers = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(REDIS_DATABASE)}
        with running_stack(servers, AGENTS) as running:
            yield running


@pytest.fixture(scope="module")
def ledger(stack: Stack) -> AgentClient:
    return stack.agent("ledger")


@pytest.fixture
def region(ledger: AgentClient) -> str:
    """Three sessions of a region of their own."""
    name = f"r{uuid4().hex}"
    for number in range(3):
        assert ledger.reply(f"region {name}", f"{name}-{number}") == "0"
        assert ledger.reply("5", f"{name}-{number}") == "5"
    return name


def asked(client: AgentClient, method: str = "POST", path: str = "", **body: Any) -> httpx.Response:
    address = f"/v1/agents/{client.id}/operations{path}"
    return client.http.request(method, address, headers=client.secret, json=body if method == "POST" else None)


def ended(client: AgentClient, location: str) -> dict[str, Any]:
    """The operation, once it has ended."""

    def look() -> dict[str, Any]:
        document: dict[str, Any] = client.http.get(location, headers=client.secret).json()
        return document if document["status"] != "running" else {}

    return wait_until(look, 30, "the end of the operation")


def done(client: AgentClient, **body: Any) -> dict[str, Any]:
    answer = asked(client, **body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "running"
    return ended(client, answer.headers["location"])


def counts(operation: dict[str, Any]) -> tuple[int, int, int, int]:
    return operation["matched"], operation["done"], operation["skipped"], operation["failed"]


def where(region: str) -> dict[str, Any]:
    return {"state.region": region}


def names(client: AgentClient, region: str) -> list[str]:
    return [f"{region}-{number}" for number in range(3)]


def snapshots(client: AgentClient, session: str) -> list[str]:
    return [one["name"] for one in client.sessions(f"/{session}/snapshots").json()["snapshots"]]


def test_a_dry_run_counts_and_does_nothing(ledger, region):
    answer = asked(ledger, action="delete", where=where(region), dryRun=True)
    assert (answer.status_code, answer.json()) == (
        200,
        {"action": "delete", "matched": 3, "sessions": names(ledger, region)},
    )
    assert [ledger.state(one)["total"] for one in names(ledger, region)] == [5, 5, 5]


def test_all_that_a_condition_picks_are_named_but_those_that_have_such_a_name(ledger, region):
    taken = names(ledger, region)[1]
    ledger.sessions(f"/{taken}/snapshots", "POST", json={"name": "before"})
    operation = done(ledger, action="snapshot", where=where(region), name="before", note="of all")
    assert counts(operation) == (3, 2, 0, 1)
    assert [one["sessionId"] for one in operation["problems"]] == [taken]
    assert "before" in operation["problems"][0]["detail"]
    assert [snapshots(ledger, one) for one in names(ledger, region)] == [["before"]] * 3


def test_they_go_back_to_a_snapshot(ledger, region):
    done(ledger, action="snapshot", where=where(region), name="start")
    for session in names(ledger, region):
        ledger.reply("7", session)
    new = f"{region}-new"
    ledger.reply(f"region {region}", new)
    operation = done(ledger, action="restore", where=where(region), at="start")
    assert counts(operation) == (4, 3, 0, 1)
    assert operation["problems"][0]["sessionId"] == new
    assert [ledger.reply("1", one) for one in names(ledger, region)] == ["6"] * 3


def test_a_session_whose_turn_runs_is_not_restored_unless_asked(ledger, region, tmp_path):
    done(ledger, action="snapshot", where=where(region), name="start")
    gate, busy = Gate(tmp_path), names(ledger, region)[0]
    running = accept(ledger, f"wait {gate}", busy)
    gate.reached()
    operation = done(ledger, action="restore", where=where(region), at="start")
    assert counts(operation) == (3, 2, 0, 1)
    assert operation["problems"][0]["sessionId"] == busy
    assert counts(done(ledger, action="restore", where=where(region), at="start", cancel=True)) == (3, 3, 0, 0)
    gate.open()
    assert ledger.finished(running)["status"] == "cancelled"


def test_they_are_forked_and_what_was_forked_is_not_forked_again(ledger, region):
    operation = done(ledger, action="fork", where=where(region), prefix="z-copy-", quiet=True)
    assert counts(operation) == (3, 3, 0, 0)
    assert [ledger.reply("1", f"z-copy-{one}") for one in names(ledger, region)] == ["6"] * 3
    assert [ledger.state(one)["total"] for one in names(ledger, region)] == [5] * 3
    again = done(ledger, action="fork", where=where(region), prefix="z-copy-")
    assert counts(again) == (6, 3, 0, 3)


def test_they_are_deleted(ledger, region):
    kept = new_session()
    ledger.reply("1", kept)
    assert counts(done(ledger, action="delete", where=where(region))) == (3, 3, 0, 0)
    assert {ledger.sessions(f"/{one}").status_code for one in names(ledger, region)} == {404}
    assert ledger.state(kept)["total"] == 1


def test_states_of_the_version_before_are_migrated_and_what_does_not_fit_stays(stack, ledger, region):
    old, broken, new = names(ledger, region)
    exits = f"{region}-00"  # comes before the others
    ledger.reply("5", exits)
    states = {old: {"parts": [1, 2], "mark": region}, broken: {"parts": "x", "mark": region}, exits: {"parts": "exit"}}
    for session, state in states.items():
        stack.query(
            "update sessions set state = %s, stale = false, base = null, keyframe = null, state_version = 1 "
            "where id = %s",
            json.dumps(state),
            session,
        )
    condition = {"id": {"in": [old, broken, new, exits]}, "stateVersion": {"lt": 3}}
    operation = done(ledger, action="migrate", where=condition)
    assert counts(operation) == (4, 1, 1, 2)
    details = {one["sessionId"]: one["detail"] for one in operation["problems"]}
    assert set(details) == {broken, exits}
    assert "migrate_state" in details[broken]
    assert details[exits] == "SystemExit"
    rows = stack.query("select id, state::text, state_version from sessions where id = any(%s)", [old, broken])
    found = {row["id"]: (json.loads(row["state"]), row["state_version"]) for row in rows}
    assert found == {
        old: ({"total": 3, "region": "", "mark": region}, 2),
        broken: ({"parts": "x", "mark": region}, 1),
    }
    assert ledger.reply("4", old) == "7"


@pytest.mark.faults
def test_what_a_worker_that_is_killed_began_another_ends_and_nothing_is_done_twice(stack, ledger):
    mark = uuid4().hex
    stack.query(
        "insert into sessions (agent_id, id, metadata) select 'ledger', %s || n, jsonb_build_object('mark', %s::text) "
        "from generate_series(1, %s) n",
        f"{mark}-",
        mark,
        MANY,
    )
    worker = stack.shared["worker"]
    worker.send(signal.SIGSTOP)
    try:
        answer = asked(ledger, action="fork", where={"metadata.mark": mark}, prefix="again-")
        location = answer.headers["location"]
        with stack.worker() as second:
            wait_until(lambda: ledger.http.get(location, headers=ledger.secret).json()["done"] > 20, 30, "some forks")
            second.send(signal.SIGKILL)
            second.wait_ended()
    finally:
        worker.send(signal.SIGCONT)
    operation = ended(ledger, location)
    assert counts(operation) == (MANY, MANY, 0, 0)
    made = stack.query("select count(*) as n from sessions where id like %s", f"again-{mark}-%")
    assert made == [{"n": MANY}]


@pytest.mark.faults
def test_a_state_whose_migration_ends_workers_is_given_up_and_the_others_are_migrated(stack, ledger, region):
    for session, parts in zip(names(ledger, region), ("crash", [1], [2]), strict=True):
        old = json.dumps({"parts": parts, "region": region})
        stack.query(
            "update sessions set state = %s, stale = false, base = null, keyframe = null, state_version = 1 "
            "where id = %s",
            old,
            session,
        )
    shared = stack.shared["worker"]
    shared.send(signal.SIGSTOP)
    try:
        location = asked(ledger, action="migrate", where=where(region)).headers["location"]
        for _ in range(TAKES):
            with stack.worker() as worker:
                worker.wait_ended()
            stack.query("update operations set checked_at = '-infinity'")  # as after five seconds
    finally:
        shared.send(signal.SIGCONT)
    operation = ended(ledger, location)
    assert counts(operation) == (3, 2, 0, 1)
    assert operation["problems"][0]["sessionId"] == names(ledger, region)[0]


def test_an_operation_can_be_stopped(stack, ledger, region):
    worker = stack.shared["worker"]
    worker.send(signal.SIGSTOP)
    try:
        location = asked(ledger, action="delete", where=where(region)).headers["location"]
        stopped = ledger.http.delete(location, headers=ledger.secret).json()
    finally:
        worker.send(signal.SIGCONT)
    assert (stopped["status"], stopped["done"]) == ("stopped", 0)
    again = ledger.http.delete(location, headers=ledger.secret).json()
    assert again == stopped
    assert [ledger.state(one)["total"] for one in names(ledger, region)] == [5, 5, 5]


def test_operations_are_listed_and_each_agent_has_its_own(stack, ledger, region):
    first = done(ledger, action="snapshot", where=where(region), name="one")
    second = done(ledger, action="snapshot", where=where(region), name="two")
    page = ledger.http.get(f"/v1/agents/{ledger.id}/operations?limit=1", headers=ledger.secret).json()
    assert page["operations"] == [second]
    following = ledger.http.get(
        f"/v1/agents/{ledger.id}/operations?limit=1&cursor={page['nextCursor']}", headers=ledger.secret
    )
    assert following.json()["operations"] == [first]
    other = stack.agent("other")
    assert asked(other, "GET", f"/{first['operationId']}").status_code == 404
    assert asked(other, "DELETE", f"/{first['operationId']}").status_code == 404
    assert asked(ledger, "GET", "/nothing").status_code == 404


def test_the_public_key_starts_nothing(ledger):
    answer = ledger.http.post(
        f"/v1/agents/{ledger.id}/operations", headers=ledger.public, json={"action": "delete", "where": {}}
    )
    assert answer.status_code in {401, 403}


def test_the_command_counts_asks_and_follows(stack, ledger, region, tmp_path):
    commands = Commands(tmp_path, **stack.environ)
    picked = ("ledger", "--where", f"state.region={region}")
    dry = commands.call("fleet", "snapshot", *picked, "--name", "x", "--dry-run")
    assert (dry.exit_code, dry.stdout.splitlines()[0]) == (0, "snapshot would be done to 3 sessions")
    made = commands.call("fleet", "snapshot", *picked, "--name", "x", "--yes")
    assert made.exit_code == 0, made.output
    assert "snapshot: done; 3 done, 0 skipped, 0 failed of 3" in made.stdout
    again = commands.call("fleet", "snapshot", *picked, "--name", "x", "--yes", "--json")
    assert (again.exit_code, json.loads(again.stdout)["failed"]) == (1, 3)
    assert commands.call("fleet", "delete", *picked).exit_code == 1
    assert commands.call("fleet", "delete", "ledger", "--yes").exit_code == 1
    assert [ledger.state(one)["total"] for one in names(ledger, region)] == [5, 5, 5]
    operation = json.loads(again.stdout)["operationId"]
    assert json.loads(commands.call("fleet", "list", "ledger", "--json").stdout)[0]["operationId"] == operation
    assert commands.call("fleet", "follow", "ledger", operation).exit_code == 1
    assert commands.call("fleet", "stop", "ledger", str(uuid4())).exit_code == 1
