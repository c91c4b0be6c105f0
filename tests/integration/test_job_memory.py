"""What beats remember of jobs: decided once whoever decides, kept whatever is tidied away, each job for itself."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from pumice.agents.job_decisions import decide
from pumice.agents.jobs import CatchUp
from pumice.agents.schedules import Cron
from pumice.sessions.job_memory import adopt, note_error, remember, write_decision
from pumice.sessions.job_rows import session_zones
from tests.support.protocol import AGENT, new
from tests.support.ticks import made

HOUR = 3600.0
MINUTELY = made(schedule=Cron("* * * * *"))
KEY = (AGENT, "remind")


def adopted(steps, job=MINUTELY, *, ago=0):
    """The job's memory, after a beat has started that declares it; decided up to so many seconds ago."""
    adopt(steps.store, {KEY: job}, [AGENT])
    if ago:
        statement = "update jobs set decided_until = date_trunc('minute', now()) - %s * interval '1 s' returning 1 as n"
        steps.query(statement, ago)
    [(row, found)] = remember(steps.store, {KEY: job}, [AGENT])
    assert found is job
    return row


def decide_on(row, job=MINUTELY, **options):
    given = {"window": HOUR, "paused": row.is_paused, "zones": {"": job.zone}, **options}
    found = decide(job, row.decided_until, row.now, **given)
    assert found is not None
    return found


def ticks(steps):
    return [row["scheduled_for"] for row in steps.query("select scheduled_for from ticks order by 1")]


def gaps(steps):
    return [(row["reason_code"], row["count"]) for row in steps.query("select * from job_gaps order by first_at")]


def test_a_job_begins_when_a_beat_first_sees_it(protocol):
    row = adopted(protocol)
    assert (row.now - row.decided_until).total_seconds() < 5
    again = adopted(protocol)
    assert again.decided_until == row.decided_until


def test_two_beats_decide_once(protocol, rival):
    row = adopted(protocol, ago=180)
    decision = decide_on(row)
    with ThreadPoolExecutor(2) as pool:
        written = list(pool.map(lambda steps: write_decision(steps.store, row, decision), (protocol, rival)))
    assert sorted(map(len, written)) == [0, 1]
    assert len(ticks(protocol)) == 1
    assert gaps(protocol) == [("folded", len(decision.gaps) and decision.gaps[0].count)]


def test_a_decision_on_what_was_decided_meanwhile_is_refused(protocol, rival):
    each = made(schedule=Cron("* * * * *"))
    row = adopted(protocol, each, ago=600)
    early: Any = decide(
        each, row.decided_until, row.now - timedelta(minutes=5), window=HOUR, paused=False, zones={"": each.zone}
    )
    assert len(write_decision(rival.store, row, early)) == 1
    assert write_decision(protocol.store, row, decide_on(row)) == []
    assert len(ticks(protocol)) == 1


def test_a_gap_that_goes_on_stays_one(protocol):
    paused = made(schedule=Cron("* * * * *"))
    adopted(protocol, paused)
    protocol.query("update jobs set paused_at = now() returning 1 as n")
    row = adopted(protocol, paused, ago=600)
    first: Any = decide(
        paused, row.decided_until, row.now - timedelta(minutes=5), window=HOUR, paused=True, zones={"": paused.zone}
    )
    write_decision(protocol.store, row, first)
    row = adopted(protocol, paused)
    write_decision(protocol.store, row, decide_on(row))
    [gap] = protocol.query("select * from job_gaps")
    assert (gap["reason_code"], gap["count"]) == ("paused", 10)
    assert ticks(protocol) == []


def test_gaps_for_other_reasons_are_others(protocol):
    once = made(schedule=Cron("* * * * *"), catch_up=CatchUp.ONE)
    row = adopted(protocol, once, ago=2 * 3600)
    write_decision(protocol.store, row, decide_on(row, once))
    assert [reason for reason, _ in gaps(protocol)] == ["catch-up", "folded"]
    assert sum(count for _, count in gaps(protocol)) + len(ticks(protocol)) == 120


def test_a_decision_does_not_hold_once_time_has_passed(protocol):
    row = adopted(protocol, ago=60)
    old = row._replace(now=row.now - timedelta(minutes=2))
    assert write_decision(protocol.store, old, decide_on(row)) == []
    assert ticks(protocol) == []


def test_a_decision_does_not_hold_once_the_job_is_paused(protocol):
    row = adopted(protocol, ago=60)
    protocol.query("update jobs set paused_at = now() returning 1 as n")
    assert write_decision(protocol.store, row, decide_on(row)) == []


def test_a_job_that_is_scheduled_in_another_way_begins_now(protocol):
    adopted(protocol, ago=3600)
    other = made(schedule=Cron("0 * * * *"))
    row = adopted(protocol, other)
    assert (row.now - row.decided_until).total_seconds() < 5
    [(_, counts)] = remember(protocol.store, {KEY: MINUTELY}, [AGENT])
    assert counts is None, "the beat that started last decides"


def test_a_job_that_is_gone_from_the_code_is_noted_and_may_come_back(protocol):
    adopted(protocol, ago=3600)
    adopt(protocol.store, {}, [AGENT])
    [(row, counts)] = remember(protocol.store, {KEY: MINUTELY}, [AGENT])
    assert row.is_removed
    assert counts is None
    row = adopted(protocol)
    assert not row.is_removed
    assert (row.now - row.decided_until).total_seconds() < 5


def test_other_agents_jobs_are_left_alone(protocol):
    adopt(protocol.store, {("other", "remind"): MINUTELY}, ["other"])
    adopt(protocol.store, {}, [AGENT])
    [(row, _)] = remember(protocol.store, {}, ["other"])
    assert not row.is_removed


def test_an_error_is_noted_until_the_job_is_decided_again(protocol):
    row = adopted(protocol, ago=60)
    note_error(protocol.store, *KEY, "ValueError: no")
    assert protocol.query("select error from jobs") == [{"error": "ValueError: no"}]
    write_decision(protocol.store, row, decide_on(row))
    assert protocol.query("select error from jobs") == [{"error": None}]


@pytest.mark.parametrize("zones", [[], ["Asia/Tokyo"], ["Asia/Tokyo", "Europe/Berlin", "UTC"]])
def test_the_zones_of_sessions_are_found(protocol, zones):
    protocol.accept(*(new(f"s{number}") for number in range(7)), new("other", agent_id="other"))
    protocol.query("update sessions set timezone = 'Africa/Cairo' where agent_id = 'other' returning 1 as n")
    for number in range(6 if zones else 0):
        zone = zones[number % len(zones)]
        protocol.query("update sessions set timezone = %s where id = %s returning 1 as n", zone, f"s{number}")
    assert session_zones(protocol.store, AGENT) == sorted(zones)
