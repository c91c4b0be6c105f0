"""Ticks: fanned out to each session exactly once, whatever stops in the middle, and to no session but theirs."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from pumice import Agent, job
from pumice.agents.jobs import Overlap
from pumice.agents.schedules import Cron, Every
from pumice.agents.states import REASONS, Reason
from pumice.sessions import fan_out as fan_out_module
from pumice.sessions import ticks as ticks_module
from pumice.sessions.fan_out import Page
from pumice.sessions.ticks import put_off, take_ticks
from pumice_workers.tick_closing import TickClosing
from tests.support.protocol import AGENT, done, failed, new
from tests.support.ticks import TIME, declared, fan_out, insert_tick, made, take, tick_of

TICK = tick_of()


def fan_out_page(store, tick, one) -> Page:
    page = fan_out_module.fan_out_page(store, tick, one)
    assert page is not None
    return page


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(fan_out_module, "PAGE", 3)


@pytest.fixture
def sessions(protocol):
    """Eight sessions, others that no job reaches, and a tick."""
    names = [f"s{number}" for number in range(8)]
    others = [new("temporary", temporary=True), new("$static:x"), new("s0", agent_id="other")]
    protocol.accept(*(new(name) for name in names), *others)
    for name in names:
        claimed = protocol.claim_one(name)
        protocol.finish(claimed, done(claimed.work[0]))
    insert_tick(protocol)
    return names


def jobs(protocol, status="queued"):
    statement = "select session_id from interactions where kind = 'job' and status = %s order by 1"
    return [row["session_id"] for row in protocol.query(statement, status)]


def state(protocol):
    return protocol.query("select * from ticks order by scheduled_for")[0]


def close(protocol, tick=TICK):
    closing = TickClosing(tick, Reason.REMOVED)
    while closing.step(protocol.store, lambda _: None) is not None:
        pass


def test_each_session_gets_one_interaction(protocol, sessions):
    assert fan_out(protocol, TICK, made()) == 8
    assert jobs(protocol) == sessions
    row = protocol.interactions("s3")[-1]
    assert (row["kind"], row["name"], row["scheduled_for"], row["payload"]) == ("job", "remind", TIME, {})
    assert row["id"].version == 7
    assert (state(protocol)["sessions"], state(protocol)["skipped"]) == (8, 0)
    assert state(protocol)["inserted_at"]
    assert state(protocol)["done_at"] is None


def test_a_tick_that_is_fanned_out_is_not_fanned_out_again(protocol, sessions):
    fan_out(protocol, TICK, made())
    assert fan_out(protocol, TICK, made()) == 0
    assert jobs(protocol) == sessions


def test_a_fan_out_goes_on_where_another_stopped(protocol, rival, sessions):
    assert fan_out_page(rival.store, TICK, made()).made == 3
    assert state(protocol)["cursor"] == "s2"
    assert fan_out(protocol, TICK, made()) == 5
    assert jobs(protocol) == sessions


def test_a_page_that_is_not_committed_did_not_happen(protocol, rival, sessions):
    with rival.store.connection.transaction(force_rollback=True):
        fan_out_page(rival.store, TICK, made())
    assert jobs(protocol) == []
    assert fan_out(protocol, TICK, made()) == 8


def test_one_fan_out_at_a_time(protocol, rival, sessions):
    with rival.store.connection.transaction():
        assert fan_out_page(rival.store, TICK, made()).made == 3
        assert fan_out_module.fan_out_page(protocol.store, TICK, made()) is None
    assert fan_out(protocol, TICK, made()) == 5
    assert jobs(protocol) == sessions


def test_many_fan_outs_reach_each_session_once(protocol, rival, sessions):
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda steps: fan_out(steps, TICK, made()), (protocol, rival)))
    fan_out(protocol, TICK, made())
    assert jobs(protocol) == sessions


def test_a_page_that_comes_twice_makes_nothing_twice(protocol, sessions):
    fan_out(protocol, TICK, made())
    protocol.query("update ticks set cursor = '', inserted_at = null returning 1 as n")
    assert fan_out(protocol, TICK, made(overlap=Overlap.SKIP)) == 0
    assert jobs(protocol) == sessions
    assert jobs(protocol, "skipped") == []


def test_another_tick_is_another_run(protocol, sessions):
    later = tick_of(TIME + timedelta(hours=1))
    insert_tick(protocol, later.scheduled_for)
    assert fan_out(protocol, TICK, made()) == fan_out(protocol, later, made()) == 8
    assert jobs(protocol) == sorted(sessions * 2)


def test_a_session_whose_last_run_waits_is_skipped(protocol, sessions):
    protocol.accept(new("s1", "job", name="remind"), new("s2", "job", name="other"))
    fan_out(protocol, TICK, made(overlap=Overlap.SKIP))
    assert jobs(protocol, "skipped") == ["s1"]
    row = protocol.interactions("s1")[-1]
    assert (row["reason"], row["reason_code"]) == (REASONS[Reason.OVERLAP], "overlap")
    assert (state(protocol)["sessions"], state(protocol)["skipped"]) == (8, 1)


def test_a_backfilled_run_queues_whatever_overlap_says(protocol, sessions):
    protocol.accept(new("s1", "job", name="remind"))
    assert fan_out(protocol, tick_of(queues=True), made(overlap=Overlap.SKIP)) == 8


def test_the_next_run_cancels_one_that_waits(protocol, sessions):
    earlier = tick_of(TIME - timedelta(hours=1))
    insert_tick(protocol, earlier.scheduled_for)
    fan_out(protocol, earlier, made())
    held = protocol.claim_one("s4")
    assert fan_out_page(protocol.store, TICK, made(overlap=Overlap.CANCEL)).running == ()
    running = [
        one for _ in range(2) for one in fan_out_page(protocol.store, TICK, made(overlap=Overlap.CANCEL)).running
    ]
    assert running == [(held.work[0].id, "s4")]
    assert jobs(protocol, "cancelled") == [name for name in sessions if name != "s4"]
    assert jobs(protocol) == sorted([*sessions, "s4"])


def test_a_tick_without_sessions_is_fanned_out(protocol):
    insert_tick(protocol)
    assert fan_out(protocol, TICK, made()) == 0
    assert state(protocol)["inserted_at"]


def test_exactly_full_pages_end_too(protocol, monkeypatch, sessions):
    monkeypatch.setattr(fan_out_module, "PAGE", 4)
    assert fan_out(protocol, TICK, made()) == 8
    assert state(protocol)["inserted_at"]


def test_a_tick_that_is_not_there_is_not_fanned_out(protocol, sessions):
    assert fan_out(protocol, tick_of(TIME.replace(year=2020)), made()) == 0


def test_a_static_job_runs_once_for_all(protocol, sessions):
    assert fan_out(protocol, TICK, made(static=True)) == 1
    assert fan_out(protocol, TICK, made(static=True)) == 0
    assert jobs(protocol) == ["$static:remind"]


def test_temporary_sessions_are_reached_on_request(protocol, sessions):
    fan_out(protocol, TICK, made(temporary=True))
    assert jobs(protocol) == [*sessions, "temporary"]


def test_a_condition_leaves_sessions_out(protocol, sessions):
    class Plans(Agent):
        class State(Agent.State):
            plan: str = "free"

        @job("* * * * *", where={"state.plan": "pro"})
        def remind(self): ...

    for name in ("s1", "s2", "s6", "temporary"):
        protocol.query('update sessions set state = \'{"plan": "pro"}\' where id = %s returning 1 as n', name)
    assert fan_out(protocol, TICK, declared(Plans)) == 3
    assert jobs(protocol) == ["s1", "s2", "s6"]
    assert state(protocol)["sessions"] == 3


def test_local_jobs_reach_the_zones_that_are_due(protocol, sessions):
    zones = {"s0": "Europe/Berlin", "s1": "Asia/Tokyo", "s2": "Europe/Paris", "s3": "Europe/Berlin", "s4": "UTC"}
    for name, zone in zones.items():
        protocol.query(
            "update sessions set timezone = %s where agent_id = 'agent' and id = %s returning 1 as n", zone, name
        )
    local = made(schedule=Cron("0 11 * * *"), timezone="session")
    assert fan_out(protocol, TICK, local) == 3
    assert jobs(protocol) == ["s0", "s2", "s3"]
    at_nine = tick_of(name="nine")
    insert_tick(protocol, name="nine")
    assert fan_out(protocol, at_nine, made("nine", schedule=Cron("0 9 * * *"), timezone="session")) == 4
    assert jobs(protocol)[3:] == ["s4", "s5", "s6", "s7"]


def test_a_local_tick_that_is_caught_up_with_is_for_its_zones_only(protocol, sessions):
    for name, zone in {"s0": "Europe/Berlin", "s1": "Europe/Paris"}.items():
        protocol.query(
            "update sessions set timezone = %s where agent_id = 'agent' and id = %s returning 1 as n", zone, name
        )
    local = made(schedule=Cron("0 11 * * *"), timezone="session")
    assert fan_out(protocol, tick_of(zones=["Europe/Paris"]), local) == 1
    assert jobs(protocol) == ["s1"]


def test_jitter_comes_later_only_and_keeps_a_sessions_place(protocol, sessions):
    places = []
    for hours in (0, 1):
        at = protocol.query("select date_trunc('hour', now()) + %s * interval '1 hour' as at", hours + 1)[0]["at"]
        insert_tick(protocol, at)
        fan_out(protocol, tick_of(at), made(jitter=600.0))
        rows = protocol.query(
            "select available_at, wake_at from interactions where scheduled_for = %s order by session_id", at
        )
        places.append([row["available_at"] - at for row in rows])
        assert all(row["wake_at"] == row["available_at"] for row in rows)
    assert places[0] == places[1]
    assert len(set(places[0])) == 8
    assert all(timedelta(0) <= place < timedelta(seconds=600) for place in places[0])


def test_intervals_from_creation_begin_with_each_session(protocol, sessions):
    protocol.query(
        "update sessions set created_at = %s - interval '5 hours 20 minutes' where id = 's1' returning 1 as n", TIME
    )
    protocol.query("update sessions set created_at = %s + interval '1 minute' where id = 's2' returning 1 as n", TIME)
    hourly = made(schedule=Every(3600), by_creation=True)
    fan_out(protocol, TICK, hourly)
    [one] = protocol.query("select scheduled_for from interactions where session_id = 's1' and kind = 'job'")
    assert one["scheduled_for"] == TIME + timedelta(minutes=40)
    assert protocol.query("select 1 as n from interactions where session_id = 's2' and kind = 'job'") == []


def test_what_was_missed_is_told_to_the_run(protocol, sessions):
    fan_out(protocol, tick_of(missed=4), made())
    assert protocol.interactions("s3")[-1]["payload"] == {"missed": 4}


def test_whoever_takes_a_tick_has_it_for_a_while(protocol, rival, sessions):
    assert [tick.scheduled_for for tick in take(protocol)] == [TIME]
    assert take_ticks(rival.store, [AGENT], 10) == []
    put_off(protocol.store, TICK, 0.0)
    assert take_ticks(rival.store, ["other"], 10) == []
    assert [tick.scheduled_for for tick in take_ticks(rival.store, [AGENT], 10)] == [TIME]


def test_a_jobs_ticks_are_fanned_out_in_their_order(protocol, sessions):
    later = TIME + timedelta(hours=1)
    insert_tick(protocol, later)
    insert_tick(protocol, later, name="other")
    assert {(tick.job, tick.scheduled_for) for tick in take(protocol)} == {("remind", TIME), ("other", later)}
    fan_out(protocol, TICK, made())
    assert {(tick.job, tick.scheduled_for) for tick in take(protocol)} == {
        ("remind", TIME), ("remind", later), ("other", later)}  # fmt: skip


def test_a_tick_that_is_closed_skips_what_has_not_begun(protocol, sessions):
    fan_out_page(protocol.store, TICK, made())
    held = protocol.claim_one("s1")
    close(protocol)
    assert jobs(protocol, "skipped") == ["s0", "s2"]
    assert (state(protocol)["reason_code"], state(protocol)["skipped"]) == ("removed", 2)
    protocol.finish(held, done(held.work[0]))
    assert jobs(protocol, "done") == ["s1"]
    assert take(protocol) == []


def test_a_large_tick_is_closed_page_by_page_with_its_counts(protocol, sessions, monkeypatch):
    monkeypatch.setattr(ticks_module, "PAGE", 3)
    fan_out(protocol, TICK, made())
    for name, outcome in (("s0", done), ("s4", failed)):
        claimed = protocol.claim_one(name)
        protocol.finish(claimed, outcome(claimed.work[0]))
    protocol.query("update ticks set drained = 's0', done = 1, waiting = '{}' returning 1 as n")
    close(protocol)
    row = state(protocol)
    assert (row["done"], row["failed"], row["skipped"], row["drained"]) == (1, 1, 6, "s7")
    assert jobs(protocol) == []


def test_runs_that_the_counts_passed_over_are_skipped_when_a_tick_is_closed(protocol, sessions):
    fan_out(protocol, TICK, made())
    for name in sessions[2:]:
        claimed = protocol.claim_one(name)
        protocol.finish(claimed, done(claimed.work[0]))
    protocol.query("update ticks set drained = 's7', done = 5, waiting = '{s0,s1,s2}' returning 1 as n")
    close(protocol)
    row = state(protocol)
    assert (row["done"], row["skipped"], row["waiting"]) == (6, 2, [])
    assert jobs(protocol, "skipped") == ["s0", "s1"]
