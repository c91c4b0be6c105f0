"""Firing schedules on Postgres: each due time once, however many are at it, and nobody holds up another."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from pumice.errors import StoreAwayError
from pumice.sessions import schedules as stored
from pumice.sessions.connections import StoreConnection
from pumice.sessions.deletion import delete_session
from pumice.sessions.parameters import json_rows
from pumice.sessions.schedule_steps import BATCH, FIRE, NEXT, TAKE, fire_due
from tests.support.protocol import AGENT, Protocol, done, failed
from tests.support.schedules import cron, every, fire, fired, make_due, once, rows, run, turn


def test_one_that_is_due_once_is_fired_and_gone(protocol: Protocol):
    turn(protocol, once(delay=0.0))
    [row] = rows(protocol).values()
    found = fire(protocol)
    assert found.sessions == [(AGENT, "s")]
    [one] = fired(protocol)
    assert (one["kind"], one["name"], one["payload"]) == ("call", "remind", {"args": [1], "kwargs": {}})
    assert (one["scheduled_for"], one["status"]) == (row["next_at"], "queued")
    assert one["scheduled_for"] <= one["accepted_at"]
    assert rows(protocol) == {}
    assert fire(protocol).sessions == []


def test_what_is_not_due_waits_and_tells_for_how_long(protocol: Protocol):
    assert fire(protocol).wait > 600
    turn(protocol, every(60.0))
    assert 0 < fire(protocol).wait <= 60
    assert fired(protocol) == []


def test_intervals_stay_where_they_began(protocol: Protocol):
    turn(protocol, every(60.0))
    began = make_due(protocol, ago=1.0)
    fire(protocol)
    [row] = rows(protocol).values()
    assert (row["next_at"], row["last_at"]) == (began + timedelta(seconds=60), began)


def test_missed_times_become_one_run_that_counts_them(protocol: Protocol):
    turn(protocol, every(60.0), cron("* * * * *", key="c"))
    began = make_due(protocol, ago=200.0)
    make_due(protocol, "c", ago=200.0)
    fire(protocol)
    of = {row["schedule_key"]: row for row in fired(protocol)}
    assert of["k"]["payload"] == {"args": [1], "kwargs": {}, "missed": 3}
    assert of["k"]["scheduled_for"] == began + timedelta(seconds=180)
    assert of["c"]["payload"]["missed"] in {2, 3}
    assert of["c"]["scheduled_for"].second == 0
    assert rows(protocol)["k"]["next_at"] == began + timedelta(seconds=240)


def test_a_recurring_one_folds_while_its_last_run_is_not_finished(protocol: Protocol):
    turn(protocol, every(60.0))
    make_due(protocol)
    fire(protocol)
    for _ in range(3):
        make_due(protocol)
        assert fire(protocol).sessions == []
    assert (len(fired(protocol)), rows(protocol)["k"]["missed"]) == (1, 3)
    claimed = protocol.claim_one()
    protocol.finish(claimed, failed(claimed.work[0], "retry", retry_after=100.0))
    make_due(protocol)
    assert fire(protocol).sessions == []
    protocol.query("update interactions set available_at = now() where status = 'queued'")
    run(protocol)
    make_due(protocol)
    fire(protocol)
    assert fired(protocol)[-1]["payload"]["missed"] == 4
    assert rows(protocol)["k"]["missed"] == 0


def test_one_that_cannot_be_worked_out_is_paused_and_holds_up_no_other(protocol: Protocol):
    turn(protocol, cron(key="a"), cron(key="b"), every(key="c"))
    protocol.query("update schedules set timezone = 'Mars/Olympus' where key = 'a'")
    protocol.query("update schedules set cron = '0 0 30 2 *' where key = 'b'")
    protocol.query("update schedules set next_at = now()")
    found = fire(protocol)
    assert [row["schedule_key"] for row in fired(protocol)] == ["c"]
    assert {key for _, _, key, _ in found.paused} == {"a", "b"}
    paused = rows(protocol)
    assert (paused["a"]["next_at"], paused["b"]["next_at"]) == (None, None)
    assert "Mars/Olympus" in paused["a"]["error"]
    assert fire(protocol).paused == []


def test_two_at_once_fire_each_time_once(protocol: Protocol):
    for number in range(40):
        turn(protocol, *(once(f"{number}/{one}", delay=0.0) for one in range(50)), session=f"s{number}")
    count = 2_000

    def drain() -> int:
        made = 0
        with closing(StoreConnection(protocol.settings)) as store:
            while protocol.query("select 1 from schedules limit 1"):
                made += len(fire_due(store, [AGENT], budget=0.0).sessions)
        return made

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: drain(), range(4))) == count
    [row] = protocol.query(
        "select count(*) as n, count(distinct schedule_key) as keys from interactions where kind = 'call'"
    )
    assert (row["n"], row["keys"]) == (count, count)


def test_one_killed_before_its_commit_has_fired_nothing(protocol: Protocol):
    turn(protocol, every(60.0), once("o", delay=0.0))
    make_due(protocol)
    with closing(StoreConnection(protocol.settings)) as store, pytest.raises(StoreAwayError):
        _fire_and_die(protocol, store)
    assert set(rows(protocol)) == {"k", "o"}
    assert fired(protocol) == []
    assert len(fire(protocol).sessions) == 2


def _fire_and_die(protocol: Protocol, store: StoreConnection) -> None:
    backend = store.connection.info.backend_pid
    with store.transaction() as transaction:
        assert len(transaction.fetch(TAKE, {"agents": [AGENT], "batch": BATCH})) == 2
        assert fire(protocol).sessions == []
        row = {"agent_id": AGENT, "session_id": "s", "key": "o", "over": True}
        transaction.fetch(FIRE, {"rows": json_rows([row]), "grace": 5.0})
        protocol.query("select pg_terminate_backend(%s)", backend)
        transaction.fetch(NEXT, {"agents": [AGENT]})


def test_others_agents_are_left_to_those_that_serve_them(protocol: Protocol):
    turn(protocol, once(delay=0.0))
    assert fire(protocol, ["other"]).sessions == []
    assert fire(protocol, []).sessions == []
    assert fire(protocol, ["other", AGENT]).sessions == [(AGENT, "s")]


def test_looking_and_taking_read_the_index_however_much_waits(protocol: Protocol):
    many = (
        "insert into schedules (agent_id, session_id, key, method, payload, next_at)"
        " select %s, 's' || n, 'k', 'm', '{}', now() + %s * interval '1 day' from generate_series(1, 20000) n"
    )
    protocol.query(many, AGENT, 1)
    protocol.query(many, "unserved", -1)
    protocol.query("analyze schedules")
    for statement in (NEXT, TAKE):
        options = {"agents": [AGENT, "more"], "batch": BATCH}
        plan = protocol.store.connection.execute(b"explain (analyze, format json) " + statement.sql.encode(), options)
        [found] = plan.fetchall()
        document = json.dumps(found[0])
        assert '"schedules_next"' in document
        assert "Seq Scan" not in document
        assert _rows_read(json.loads(document)[0]["Plan"]) <= 2
    protocol.query("delete from schedules")


def _rows_read(node: dict[str, Any]) -> int:
    """The most rows that any part of a plan read of the schedules or threw away."""
    own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) if node.get("Relation Name") == "schedules" else 0
    return max([own, *(_rows_read(one) for one in node.get("Plans", ()))])


def test_a_deleted_session_leaves_no_schedule_and_no_run(protocol: Protocol):
    turn(protocol, every(60.0), once("o", delay=0.0))
    fire(protocol)
    assert len(list(delete_session(protocol.store, AGENT, "s"))) == 1
    assert protocol.query("select * from schedules") == []
    assert protocol.query("select * from interactions where status = 'queued'") == []
    assert fire(protocol).sessions == []


def test_one_whose_session_is_gone_goes_too(protocol: Protocol):
    turn(protocol, once(delay=0.0))
    protocol.query("delete from sessions")
    assert fire(protocol).sessions == []
    assert rows(protocol) == {}


def test_a_schedule_deleted_by_the_api_takes_its_waiting_run_along_but_not_the_running_one(protocol: Protocol):
    turn(protocol, every(60.0))
    make_due(protocol)
    fire(protocol)
    claimed = protocol.claim_one()
    stored.delete(protocol.store, AGENT, "s", "k")
    assert rows(protocol) == {}
    assert protocol.finish(claimed, done(claimed.work[0]))
    turn(protocol, every(60.0))
    make_due(protocol)
    fire(protocol)
    stored.delete(protocol.store, AGENT, "s", "k")
    assert [row["status"] for row in fired(protocol)] == ["done", "cancelled"]
