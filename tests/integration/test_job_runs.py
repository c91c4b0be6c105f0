"""Running jobs by hand: now everywhere, now in one session, and for due times of the past."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from pumice.errors import Conflict, InvalidField, UnknownJob, UnknownSession
from pumice.sessions.fan_out import fan_out_page
from pumice.sessions.job_runs import backfill, database_time, run_everywhere, run_in_session
from pumice.sessions.ticks import take_ticks
from tests.support.protocol import AGENT

NEW_YEAR = datetime(2025, 1, 1, 9, tzinfo=UTC)


def everywhere(desk, job="remind"):
    return run_everywhere(desk.store, AGENT, job, desk.jobs.get(job))


def in_session(desk, session="s", job="remind"):
    return run_in_session(desk.store, AGENT, job, desk.jobs.get(job), session)


def fill(desk, first, last, job="remind"):
    made = backfill(desk.store, AGENT, job, desk.jobs.get(job), first, last)
    return made.ticks, made.existing


def test_a_run_everywhere_is_a_tick_that_waits_for_earlier_runs(desk):
    before = database_time(desk.store)
    at = everywhere(desk)
    [tick] = desk.rows("ticks")
    assert (tick["scheduled_for"], tick["kind"], tick["queues"], tick["done_at"]) == (at, "manual", True, None)
    assert at.microsecond % 1_000 == 0
    assert before - timedelta(milliseconds=1) < at < before + timedelta(seconds=10)


def test_runs_of_the_same_moment_are_told_apart(desk, rival):
    with ThreadPoolExecutor(2) as pool:
        times = [*pool.map(lambda store: [run_everywhere(store, AGENT, "remind", desk.jobs["remind"])
                                          for _ in range(20)], (desk.store, rival.store))]  # fmt: skip
    assert len({at for found in times for at in found}) == 40
    assert len(desk.rows("ticks")) == 40


def test_a_run_in_one_session_is_an_interaction_of_it(desk):
    desk.session()
    made = in_session(desk)
    [row] = desk.protocol.interactions("s")
    assert (str(row["id"]), row["scheduled_for"], row["status"]) == (made.interaction_id, made.scheduled_for, "queued")
    assert (row["kind"], row["name"]) == ("job", "remind")
    assert desk.rows("ticks") == []
    assert len({in_session(desk).scheduled_for for _ in range(20)}) == 20


@pytest.mark.parametrize("columns", [{"temporary": True}, {}])
def test_a_session_that_is_named_is_run_whatever_the_declaration_leaves_out(desk, columns):
    desk.session(**columns)
    assert in_session(desk, job="billed").status == "queued"
    assert desk.protocol.claim_one().work[0].name == "billed"


def test_in_a_quiet_session_it_is_recorded_only(desk):
    desk.session(quiet=True)
    assert in_session(desk).status == "skipped"
    [row] = desk.protocol.interactions("s")
    assert (row["reason_code"], row["effects"]) == ("quiet", [{"kind": "job", "job": "remind"}])
    assert desk.told("remind", row["scheduled_for"]) == ("skipped", "quiet")


def test_what_is_not_there_is_not_run(desk):
    desk.session("deleted", deleted_at=NEW_YEAR)
    desk.remember("gone")
    for session in ("missing", "deleted"):
        with pytest.raises(UnknownSession):
            in_session(desk, session)
    for call in (everywhere, lambda desk, job: in_session(desk, job=job)):
        with pytest.raises(UnknownJob):
            call(desk, job="never")
        with pytest.raises(Conflict):
            call(desk, job="gone")
    with pytest.raises(InvalidField, match="static"):
        in_session(desk, job="nightly")
    assert desk.protocol.query("select from sessions where id = 'missing'") == []


def test_a_backfill_makes_a_tick_of_each_due_time_that_has_none(desk):
    desk.tick("remind", NEW_YEAR)
    assert fill(desk, NEW_YEAR.replace(year=2023), NEW_YEAR) == (2, 1)
    rows = desk.rows("ticks")
    assert [(row["scheduled_for"].year, row["kind"], row["queues"]) for row in rows] == [
        (2023, "backfill", True),
        (2024, "backfill", True),
        (2025, "due", False),
    ]
    assert fill(desk, NEW_YEAR.replace(year=2023), NEW_YEAR) == (0, 3)
    assert fill(desk, NEW_YEAR + timedelta(seconds=1), NEW_YEAR + timedelta(days=9)) == (0, 0)


def test_a_backfill_of_local_times_has_those_of_all_zones(desk):
    desk.session("a", timezone="Asia/Tokyo")
    day = NEW_YEAR.replace(hour=0)
    assert fill(desk, day, day + timedelta(days=1), "local") == (3, 0)
    assert [row["scheduled_for"].hour for row in desk.rows("ticks")] == [0, 9, 0]


def test_its_ticks_are_fanned_out_like_others(desk):
    desk.session()
    fill(desk, NEW_YEAR, NEW_YEAR)
    [tick] = take_ticks(desk.store, [AGENT], 10)
    fan_out_page(desk.store, tick, desk.jobs["remind"])
    [row] = desk.protocol.interactions("s")
    assert (row["scheduled_for"], row["status"]) == (NEW_YEAR, "queued")


@pytest.mark.parametrize(
    ("first", "last", "job", "said"),
    [
        (NEW_YEAR, NEW_YEAR - timedelta(1), "remind", "from: must not lie after"),
        (NEW_YEAR, NEW_YEAR.replace(year=2190), "remind", "to: must lie in the past"),
        (NEW_YEAR.replace(year=1990), NEW_YEAR, "local", "was due 12785 times between, and 10000 are the most"),
        (NEW_YEAR.replace(year=1970), NEW_YEAR, "local", "was due more than 20000 times"),
        (NEW_YEAR - timedelta(1), NEW_YEAR, "hourly", "each session has due times of its own"),
    ],
)
def test_a_backfill_that_is_too_much_is_refused(desk, first, last, job, said):
    with pytest.raises(InvalidField, match=said):
        fill(desk, first, last, job)
    assert desk.rows("ticks") == []
