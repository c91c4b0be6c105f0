"""Pausing a job, and ending its pause: what was due in it is noted and stays not run."""

from datetime import timedelta
from threading import Thread

import pytest

from pumice.errors import UnknownJob
from pumice.sessions.job_pauses import pause, resume
from pumice.sessions.job_runs import database_time
from tests.support.protocol import AGENT
from tests.support.waiting import wait_until

HOUR = timedelta(hours=1)


def set_paused(desk, job="local"):
    return pause(desk.store, AGENT, job, desk.jobs.get(job))


def end_pause(desk, job="local"):
    resume(desk.store, AGENT, job, desk.jobs.get(job))


def test_a_job_that_no_beat_has_seen_is_paused(desk):
    at = set_paused(desk)
    [row] = desk.rows("jobs")
    assert (row["name"], row["paused_at"], row["declaration"]) == ("local", at, desk.jobs["local"].declaration)


def test_it_is_paused_once(desk):
    at = set_paused(desk)
    assert set_paused(desk) == at


def test_what_was_due_in_the_pause_is_noted_and_never_run(desk):
    now = database_time(desk.store)
    desk.remember("local", decided_until=now - timedelta(days=3), paused_at=now - timedelta(days=3))
    end_pause(desk)
    [gap] = desk.rows("job_gaps")
    assert (gap["reason_code"], gap["count"]) == ("paused", 3)
    assert now - timedelta(days=3) < gap["first_at"] < gap["last_at"] <= database_time(desk.store)
    assert (gap["first_at"].hour, gap["last_at"].hour) == (9, 9)
    [row] = desk.rows("jobs")
    assert row["paused_at"] is None
    assert row["decided_until"] >= now


def test_what_a_beat_has_decided_is_not_decided_again(desk):
    now = database_time(desk.store)
    ahead = now + HOUR
    desk.remember("remind", decided_until=ahead, paused_at=now - timedelta(days=3))
    end_pause(desk, "remind")
    assert desk.rows("job_gaps") == []
    assert desk.rows("jobs")[0]["decided_until"] == ahead


def test_a_job_that_is_not_paused_stays_as_it_is(desk):
    then = database_time(desk.store) - timedelta(days=3)
    desk.remember("local", decided_until=then)
    end_pause(desk)
    assert desk.rows("jobs")[0]["decided_until"] == then
    assert desk.rows("job_gaps") == []
    end_pause(desk, "remind")
    assert len(desk.rows("jobs")) == 1


def test_the_zones_of_all_sessions_count(desk):
    now = database_time(desk.store)
    for number, zone in enumerate(("Asia/Tokyo", "Asia/Tokyo", "America/New_York")):
        desk.session(f"s{number}", timezone=zone)
    desk.remember("local", decided_until=now - timedelta(days=1), paused_at=now - timedelta(days=1))
    end_pause(desk)
    assert desk.rows("job_gaps")[0]["count"] == 3


def test_a_job_that_is_gone_from_the_code_can_be_paused_and_resumed(desk):
    desk.remember("gone")
    set_paused(desk, "gone")
    end_pause(desk, "gone")
    assert desk.rows("jobs")[0]["paused_at"] is None
    with pytest.raises(UnknownJob):
        set_paused(desk, "never")
    with pytest.raises(UnknownJob):
        end_pause(desk, "never")


def test_a_beat_that_is_deciding_is_waited_for(desk, rival):
    now = database_time(desk.store)
    desk.remember("local", decided_until=now - timedelta(days=3), paused_at=now - timedelta(days=3))
    with rival.store.transaction() as beat:
        beat.finds(b"select from jobs for update", ())
        resuming = Thread(target=end_pause, args=(desk,))
        resuming.start()
        wait_until(lambda: desk.protocol.query("select 1 from pg_stat_activity where wait_event_type = 'Lock'"))
        beat.finds(b"update jobs set decided_until = now() returning name", ())
    resuming.join()
    assert desk.rows("job_gaps") == []
    assert desk.rows("jobs")[0]["paused_at"] is None
