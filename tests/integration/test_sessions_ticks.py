"""Ticks: inserted once, and fanned out to each session exactly once, whatever stops in the middle."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from pumice.sessions import ticks
from pumice.sessions.ticks import Tick, fan_out_page, insert_ticks, last_ticks, run_static
from tests.support.protocol import AGENT, DAY, done, new

TIME = datetime(2025, 6, 1, 9, tzinfo=UTC)
TICK = Tick(AGENT, "remind", TIME)


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    monkeypatch.setattr(ticks, "PAGE", 3)


@pytest.fixture
def sessions(protocol):
    """Eight sessions, and others that no job reaches."""
    names = [f"s{number}" for number in range(8)]
    others = [new("temporary", temporary=True), new("$static:x"), new("s0", agent_id="other")]
    protocol.accept(*(new(name) for name in names), *others)
    for name in names:
        claimed = protocol.claim_one(name)
        protocol.finish(claimed, done(claimed.work[0]))
    insert_ticks(protocol.store, [TICK])
    return names


def fan_out(steps, tick=TICK, *, skip=False):
    """Fan a tick out to its end; the sessions to wake."""
    woken = []
    while (page := fan_out_page(steps.store, tick, skip_overlap=skip)) is not None:
        woken += page
    return woken


def jobs(protocol, status="queued"):
    statement = "select session_id from interactions where kind = 'job' and status = %s order by 1"
    return [row["session_id"] for row in protocol.query(statement, status)]


def state(protocol):
    return protocol.query("select * from ticks")[0]


def test_a_tick_is_inserted_once_however_many_beats_run(protocol, rival):
    later = Tick(AGENT, "remind", TIME.replace(hour=10))
    with ThreadPoolExecutor(2) as pool:
        new_ones = list(pool.map(lambda steps: insert_ticks(steps.store, [TICK, later]), (protocol, rival)))
    assert sorted(tick.scheduled_for for one in new_ones for tick in one) == [TIME, later.scheduled_for]
    assert last_ticks(protocol.store) == {(AGENT, "remind"): later.scheduled_for}


def test_each_session_gets_one_interaction(protocol, sessions):
    assert fan_out(protocol) == sessions
    assert jobs(protocol) == sessions
    row = protocol.interactions("s3")[-1]
    assert (row["kind"], row["name"], row["scheduled_for"], row["payload"]) == ("job", "remind", TIME, {})
    assert row["id"].version == 7
    assert (state(protocol)["sessions"], state(protocol)["skipped"]) == (8, 0)
    assert state(protocol)["done_at"]


def test_a_finished_tick_is_not_fanned_out_again(protocol, sessions):
    fan_out(protocol)
    assert fan_out(protocol) == []
    assert jobs(protocol) == sessions


def test_a_fan_out_goes_on_where_another_stopped(protocol, rival, sessions):
    assert fan_out_page(rival.store, TICK, skip_overlap=False) == sessions[:3]
    assert state(protocol)["cursor"] == "s2"
    assert fan_out(protocol) == sessions[3:]
    assert jobs(protocol) == sessions


def test_a_page_that_is_not_committed_did_not_happen(protocol, rival, sessions):
    with rival.store.connection.transaction(force_rollback=True):
        fan_out_page(rival.store, TICK, skip_overlap=False)
    assert jobs(protocol) == []
    assert fan_out(protocol) == sessions


def test_one_fan_out_at_a_time(protocol, rival, sessions):
    with rival.store.connection.transaction():
        assert fan_out_page(rival.store, TICK, skip_overlap=False) == sessions[:3]
        assert fan_out_page(protocol.store, TICK, skip_overlap=False) is None
    assert fan_out(protocol) == sessions[3:]


def test_many_fan_outs_reach_each_session_once(protocol, rival, sessions):
    with ThreadPoolExecutor(2) as pool:
        woken = list(pool.map(fan_out, (protocol, rival)))
    fan_out(protocol)
    assert sorted(woken[0] + woken[1]) == sessions
    assert jobs(protocol) == sessions


def test_another_tick_is_another_run(protocol, sessions):
    later = Tick(AGENT, "remind", TIME.replace(hour=10))
    insert_ticks(protocol.store, [later])
    assert fan_out(protocol) == fan_out(protocol, later) == sessions
    assert jobs(protocol) == sorted(sessions * 2)


def test_a_session_whose_last_run_waits_may_be_skipped(protocol, sessions):
    protocol.accept(new("s1", "job", name="remind"), new("s2", "job", name="other"))
    assert fan_out(protocol, skip=True) == [name for name in sessions if name != "s1"]
    assert jobs(protocol, "skipped") == ["s1"]
    assert protocol.interactions("s1")[-1]["reason"] == "overlap: the previous run was not finished"
    assert (state(protocol)["sessions"], state(protocol)["skipped"]) == (7, 1)


def test_a_tick_without_sessions_ends(protocol):
    insert_ticks(protocol.store, [TICK])
    assert fan_out(protocol) == []
    assert state(protocol)["done_at"]


def test_exactly_full_pages_end_too(protocol, monkeypatch, sessions):
    monkeypatch.setattr(ticks, "PAGE", 4)
    assert fan_out(protocol) == sessions
    assert state(protocol)["done_at"]


def test_a_tick_that_is_not_there_is_not_fanned_out(protocol, sessions):
    assert fan_out(protocol, Tick(AGENT, "remind", TIME.replace(year=2020))) == []


def test_a_static_job_runs_once_for_all(protocol, sessions):
    elsewhere = Tick(AGENT, "remind", TIME.astimezone(ZoneInfo("Asia/Kolkata")))
    names = [run_static(protocol.store, tick, temporary_ttl=60, window=DAY) for tick in (TICK, TICK, elsewhere)]
    assert set(names) == {"$static:remind"}
    assert jobs(protocol) == ["$static:remind"]
    assert state(protocol)["done_at"]
