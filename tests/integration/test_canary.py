"""A canary: a share of an agent's sessions goes to workers of another release, and back with their snapshots."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as some

from pumice.agents.releases import PARTS, Share, part_of
from pumice.dev.postgres import Postgres
from pumice.dev.valkey import Valkey
from tests.support.client import AgentClient, new_session
from tests.support.commands import Commands
from tests.support.databases import ExternalServer, database
from tests.support.stack import Stack, running_stack
from tests.support.waiting import wait_until

REDIS_DATABASE = 6
HALF = Share("next", PARTS // 2)


@pytest.fixture(scope="module")
def stack(
    postgres_server: Postgres | ExternalServer, valkey_server: Valkey | ExternalServer, migrated_template: str
) -> Iterator[Stack]:
    with database(postgres_server.url("postgres"), migrated_template) as name:
        servers = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(REDIS_DATABASE)}
        with running_stack(servers, "teller=tests.support.agents_canary:Teller") as running:
            yield running


@pytest.fixture
def teller(stack: Stack) -> Iterator[AgentClient]:
    client = stack.agent("teller")
    yield client
    canary(client, "DELETE")


def canary(client: AgentClient, method: str = "GET", **body: Any) -> httpx.Response:
    address = f"/v1/agents/{client.id}/canary"
    return client.http.request(method, address, headers=client.secret, json=body if method == "PUT" else None)


def sessions(share: Share) -> tuple[str, str]:
    """A new session that is of the share, and one that is not."""
    names = [new_session() for _ in range(64)]
    return next(one for one in names if share.has(one)), next(one for one in names if not share.has(one))


def started(client: AgentClient, share: Share) -> None:
    answer = canary(client, "PUT", release=share.release, percent=share.parts * 100 / PARTS)
    assert answer.status_code == 200, answer.text


def goes_to(client: AgentClient, session: str, release: str) -> None:
    wait_until(lambda: client.reply("hi", session) == release, 20, f"{release or 'stable'} to run {session}")


def test_a_share_goes_to_the_canary_and_the_rest_stays(stack, teller):
    inside, outside = sessions(HALF)
    assert (teller.reply("hi", inside), teller.reply("hi", outside)) == ("", "")
    with stack.worker(RELEASE="next"):
        started(teller, HALF)
        goes_to(teller, inside, "next")
        assert [teller.reply("hi", outside) for _ in range(4)] == [""] * 4
        assert [teller.reply("hi", inside) for _ in range(4)] == ["next"] * 4
        assert teller.hook("count", params={"session": inside}).json() == {"release": "next"}
        assert canary(teller).json() | {"createdAt": ""} == {
            "release": "next",
            "percent": 50,
            "workers": 1,
            "createdAt": "",
        }
        assert canary(teller, "DELETE").status_code == 204
        goes_to(teller, inside, "")


@pytest.mark.faults
def test_without_workers_of_its_release_the_stable_ones_run_them(stack, teller):
    inside, _ = sessions(HALF)
    started(teller, HALF)
    assert [teller.reply("hi", inside) for _ in range(3)] == [""] * 3
    with stack.worker(RELEASE="next") as worker:
        goes_to(teller, inside, "next")
        worker.send(signal.SIGKILL)
        worker.wait_ended()
    goes_to(teller, inside, "")


@pytest.mark.faults
def test_what_waits_for_the_canary_runs_when_it_ends(stack, teller):
    inside, _ = sessions(HALF)
    with stack.worker(RELEASE="next") as worker:
        started(teller, HALF)
        goes_to(teller, inside, "next")
        worker.send(signal.SIGSTOP)
        sent = teller.hook("count", params={"session": inside}, headers={"prefer": "respond-async"})
        canary(teller, "DELETE")
        worker.send(signal.SIGCONT)
        assert teller.finished(sent.json()["interactionId"])["status"] == "done"


def test_the_command_names_points_and_goes_back_to_them(stack, teller, tmp_path):
    commands = Commands(tmp_path, **stack.environ)
    inside, outside = sessions(HALF)
    for session in (inside, outside):
        teller.reply("hi", session)
    with stack.worker(RELEASE="next"):
        done = commands.call("canary", "start", "teller", "--release", "next", "--percent", "50")
        assert done.exit_code == 0, done.output
        goes_to(teller, inside, "next")
        teller.reply("hi", outside)
        [row] = json.loads(commands.call("canary", "list", "--json").stdout)
        assert (row["agent_id"], row["release"], row["percent"], row["workers"]) == ("teller", "next", 50, 1)
        assert snapshots(teller, inside) == [row["snapshot"]]
        assert snapshots(teller, outside) == []
        new = next(name for name in (new_session() for _ in range(64)) if HALF.has(name))
        teller.reply("hi", new)
        done = commands.call("canary", "stop", "teller", "--restore")
        assert done.exit_code == 0, done.output
    assert teller.state(inside)["turns"] == 1
    assert teller.state(outside)["turns"] == 2
    assert teller.state(new)["turns"] == 1  # it began in the canary
    assert commands.call("canary", "stop", "teller").exit_code == 1


def snapshots(client: AgentClient, session: str) -> list[str]:
    return [one["name"] for one in client.sessions(f"/{session}/snapshots").json()["snapshots"]]


def begin(commands: Commands, percent: int, *options: str, release: str = "next") -> Any:
    return commands.call("canary", "start", "teller", "--release", release, "--percent", str(percent), *options)


def shown(commands: Commands) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(commands.call("canary", "list", "--json").stdout)
    return found


@pytest.mark.faults
def test_a_second_canary_of_a_release_goes_back_to_where_it_began(stack, teller, tmp_path):
    commands, (inside, _) = Commands(tmp_path, **stack.environ), sessions(HALF)
    teller.reply("hi", inside)
    assert begin(commands, 50).exit_code == 0
    assert commands.call("canary", "stop", "teller").exit_code == 0
    for _ in range(2):
        teller.reply("hi", inside)
    assert begin(commands, 50).exit_code == 0
    teller.reply("hi", inside)
    done = commands.call("canary", "stop", "teller", "--restore")
    assert done.exit_code == 0, done.output
    assert teller.state(inside)["turns"] == 3
    assert len(set(snapshots(teller, inside))) == 2


@pytest.mark.faults
def test_a_share_that_grew_and_shrank_goes_back_as_a_whole(stack, teller, tmp_path):
    commands = Commands(tmp_path, **stack.environ)
    inside, later = sessions(HALF)
    for session in (inside, later):
        teller.reply("hi", session)
    assert begin(commands, 50).exit_code == 0
    for session in (inside, later):
        teller.reply("hi", session)
    done = begin(commands, 100)
    assert done.exit_code == 0, done.output
    for session in (inside, later):
        teller.reply("hi", session)
    assert begin(commands, 1).exit_code == 0
    assert [len(snapshots(teller, one)) for one in (inside, later)] == [1, 1]
    done = commands.call("canary", "stop", "teller", "--restore")
    assert done.exit_code == 0, done.output
    assert [teller.state(one)["turns"] for one in (inside, later)] == [1, 2]


@pytest.fixture
def held(stack):
    """Hold the row of a session, so that nothing is done to it."""

    @contextmanager
    def hold(session: str) -> Iterator[None]:
        with psycopg.connect(stack.environ["DATABASE_URL"]) as other:
            other.execute("select from sessions where id = %s for update", [session])
            yield
            other.rollback()

    return hold


@pytest.mark.faults
def test_without_all_points_it_does_not_start_and_until_all_are_restored_it_is_not_forgotten(
    stack, teller, held, tmp_path
):
    commands, (inside, _) = Commands(tmp_path, **stack.environ), sessions(HALF)
    teller.reply("hi", inside)
    with held(inside):
        refused = begin(commands, 50)
        assert (refused.exit_code, "nothing was started" in refused.stderr) == (1, True)
    assert shown(commands) == []
    assert begin(commands, 50).exit_code == 0
    teller.reply("hi", inside)
    with held(inside):
        failed = commands.call("canary", "stop", "teller", "--restore")
        assert (failed.exit_code, "not all were restored" in failed.stderr) == (1, True)
    assert [row["percent"] for row in shown(commands)] == [0]
    assert canary(teller).status_code == 404
    assert begin(commands, 50).exit_code == 1
    done = commands.call("canary", "stop", "teller", "--restore")
    assert done.exit_code == 0, done.output
    assert (teller.state(inside)["turns"], shown(commands)) == (1, [])


@pytest.mark.faults
def test_nothing_is_restored_before_the_canarys_workers_know_that_it_was_stopped(stack, teller, tmp_path):
    commands, (inside, _) = Commands(tmp_path, **stack.environ), sessions(HALF)
    teller.reply("hi", inside)
    with stack.worker(RELEASE="next") as worker:
        assert begin(commands, 50).exit_code == 0
        goes_to(teller, inside, "next")
        worker.send(signal.SIGSTOP)
        with ThreadPoolExecutor(1) as pool:
            stopping = pool.submit(commands.call, "canary", "stop", "teller", "--restore")
            try:
                wait_until(lambda: stack.query("select 1 as n from canaries where share = 0"), 10, "the stop")
                before = stack.query("select clock_timestamp() as at")[0]["at"]
                later = "select 1 as n where clock_timestamp() > %s::timestamptz + interval '2 seconds'"
                wait_until(lambda: stopping.done() or stack.query(later, before), 10, "the time for a restore")
                restores = "select 1 as n from operations where action = 'restore' and status = 'running'"
                assert (stopping.done(), stack.query(restores)) == (False, [])
            finally:
                worker.send(signal.SIGCONT)
            assert stopping.result().exit_code == 0
    assert teller.state(inside)["turns"] == 1


def test_what_would_lose_the_way_back_is_refused(stack, teller, tmp_path):
    commands = Commands(tmp_path, **stack.environ)
    for release, agent in (("next", "nope"), ("stable", "teller")):
        done = commands.call("canary", "start", agent, "--release", release, "--percent", "5")
        assert done.exit_code == 1, done.output
    assert shown(commands) == []
    assert begin(commands, 5, "--no-snapshot").exit_code == 0
    assert begin(commands, 50).exit_code == 1
    assert commands.call("canary", "stop", "teller", "--restore").exit_code == 1
    assert begin(commands, 5, release="other").exit_code == 1
    assert [row["percent"] for row in shown(commands)] == [5]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"release": "next"}, "canary"),
        ({"release": "a b", "percent": 5}, "canary.release"),
        ({"release": "stable", "percent": 5}, "canary.release"),
        ({"release": "next", "percent": 5, "above": 1}, "canary"),
        ({"release": "next", "percent": 0}, "canary.percent"),
        ({"release": "next", "percent": 101}, "canary.percent"),
        ({"release": "next", "percent": True}, "canary.percent"),
    ],
)
def test_what_is_wrong_is_named(teller, body, field):
    answer = canary(teller, "PUT", **body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert canary(teller).status_code == 404
    assert canary(teller, "DELETE").status_code == 404


@given(some.lists(some.text(min_size=1), max_size=20), some.integers(1, PARTS), some.integers(1, PARTS))
def test_a_larger_share_has_the_sessions_of_a_smaller(ids, one, other):
    small, large = Share("next", min(one, other)), Share("next", max(one, other))
    for session in ids:
        assert 0 <= part_of("next", session) < PARTS
        assert large.has(session) or not small.has(session)
