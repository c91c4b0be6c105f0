"""Late or not run? What is said of a session, a job and a time, for all that can have happened."""

from datetime import UTC, datetime, timedelta

import pytest

from pumice.errors import ForgottenRun, InvalidField, UnknownJob
from pumice.sessions.job_runs import database_time, run_everywhere
from tests.support.protocol import AGENT

AT = datetime(2025, 1, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
EARLY = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def s(desk):
    """A session, and jobs that a beat has dealt with up to now."""
    desk.session()
    for job in desk.jobs:
        desk.remember(job, first_seen_at=EARLY)
    return desk


def ended(desk, status, **columns):
    """The run of remind, which ended so."""
    times = {"started_at": AT + HOUR, "finished_at": AT + HOUR + timedelta(seconds=2)}
    return desk.run("remind", AT, status=status, **times, **columns)


def test_a_run_that_went_well_has_its_times(s):
    interaction = ended(s, "done", attempts=1)
    found = s.explain("remind", AT).document()
    assert (found["outcome"], found["reason"], found["interactionId"]) == ("ran", None, interaction)
    assert datetime.fromisoformat(found["startedAt"]) == AT + HOUR
    assert datetime.fromisoformat(found["finishedAt"]) == AT + HOUR + timedelta(seconds=2)


@pytest.mark.parametrize("status", ["failed", "dead"])
def test_a_run_that_failed_says_with_what(s, status):
    errors = '[{"attempt": 1, "code": "handler-failed", "type": "ValueError", "message": "no", "traceback": "x"}]'
    ended(s, status, errors=errors)
    found = s.explain("remind", AT).document()
    assert (found["outcome"], found["reason"], found["reasonCode"]) == ("failed", "ValueError: no", "handler-failed")
    assert found["error"] == {"attempt": 1, "code": "handler-failed", "type": "ValueError", "message": "no"}


@pytest.mark.parametrize(
    ("status", "code"), [("skipped", "overlap"), ("skipped", "removed"), ("cancelled", "cancelled")]
)
def test_a_run_that_was_left_out_says_why(s, status, code):
    ended(s, status, reason="words", reason_code=code)
    found = s.explain("remind", AT)
    assert (found.outcome, found.code, found.reason) == ("skipped", code, "words")


def test_its_time_may_be_given_in_any_offset_and_other_jobs_and_sessions_are_none_of_it(s):
    ended(s, "done")
    s.session("other")
    assert s.told("remind", AT.astimezone(tz=None))[0] == "ran"
    assert s.told("remind", AT, "other")[0] == "not-due"
    assert s.told("billed", AT)[0] == "not-due"


@pytest.mark.parametrize(("reason", "code"), [("paused", "paused"), ("catch-up", "catch-up"), ("folded", "folded")])
def test_a_gap_says_why_it_was_not_run(s, reason, code):
    s.gap("remind", AT.replace(year=2024), AT, reason, 2)
    s.tick("remind", AT.replace(year=2026))
    s.tick("remind", AT + HOUR, kind="manual")
    assert s.told("remind", AT) == ("skipped", code)
    said = s.explain("remind", AT.replace(year=2024)).reason
    assert ("2026-01-01T09:00:00" in said) == (code == "folded")
    s.protocol.query("update job_gaps set last_at = first_at")
    assert [s.told("remind", AT.replace(year=year)) for year in (2023, 2025)] == [("not-due", "unrecorded")] * 2


def test_a_due_time_in_a_pause_that_no_beat_has_noted_yet(s):
    s.protocol.query("update jobs set paused_at = %s, decided_until = %s", AT - HOUR, AT - HOUR)
    assert s.told("remind", AT) == ("skipped", "paused")


def test_a_tick_that_was_closed_unrun(s):
    s.tick("remind", AT, reason_code="removed")
    assert s.told("remind", AT) == ("skipped", "removed")


def test_a_fan_out_under_way_comes_to_later_sessions_only(s):
    s.session("z")
    s.tick("remind", AT, inserted_at=None, done_at=None, cursor="t")
    assert s.told("remind", AT, "z") == ("waiting", "fan-out")
    assert s.told("remind", AT, "s")[0] == "not-due"
    s.tick("local", AT, inserted_at=None, done_at=None, cursor="t")
    assert s.told("local", AT, "s") == ("waiting", "fan-out")


def test_sessions_that_a_tick_leaves_out(s):
    s.session("temporary", temporary=True)
    s.session("late", created_at=AT + HOUR)
    s.session("quiet", quiet=True)
    for job in ("remind", "billed", "everyone"):
        s.tick(job, AT)
    assert s.told("remind", AT, "temporary") == ("not-due", "temporary")
    assert s.told("everyone", AT, "temporary") == ("not-due", "unrecorded")
    assert s.told("remind", AT, "late") == ("not-due", "made-later")
    assert s.told("remind", AT, "quiet") == ("skipped", "quiet")
    assert s.told("remind", AT, "nobody") == ("not-due", "no-session")
    assert s.told("billed", AT) == ("skipped", "condition")


def test_a_session_in_another_timezone_is_told_its_own_due_times(s):
    s.session("tokyo", timezone="Asia/Tokyo")
    s.tick("local", AT)
    found = s.explain("local", AT, "tokyo")
    assert (found.outcome, found.code) == ("not-due", "timezone")
    assert (found.before, found.after) == (AT - 9 * HOUR, AT + 15 * HOUR)
    assert "Asia/Tokyo" in found.reason
    assert s.told("local", AT) != ("not-due", "timezone")


def test_a_time_that_is_no_due_time_has_neighbours(s):
    found = s.explain("remind", AT + HOUR)
    assert (found.outcome, found.code) == ("not-due", "no-due-time")
    assert (found.before, found.after) == (AT, AT.replace(year=2026))


def test_intervals_from_creation_are_each_sessions_own(s):
    own = datetime(2025, 1, 1, 9, 0, 30, tzinfo=UTC)
    assert s.told("hourly", AT) == ("not-due", "no-due-time")
    assert s.explain("hourly", AT).after == own
    s.run("hourly", own, status="done")
    assert s.told("hourly", own)[0] == "ran"


def test_the_future_waits_where_it_is_due(s):
    coming = s.jobs["remind"].schedule.next(database_time(s.store))
    assert s.told("remind", coming) == ("waiting", "future")
    assert s.told("remind", coming + HOUR) == ("not-due", "no-due-time")


def test_what_no_beat_has_come_to(s):
    s.protocol.query("update jobs set decided_until = %s", AT - HOUR)
    assert s.told("remind", AT) == ("waiting", "beat")
    assert "no beat is alive" in s.explain("remind", AT).reason
    s.protocol.query("insert into beats (name) values ('b')")
    assert "alive" not in s.explain("remind", AT).reason
    s.protocol.query("delete from jobs")
    assert s.told("remind", AT) == ("waiting", "beat")


def test_what_is_older_than_the_job(s):
    s.protocol.query("update jobs set first_seen_at = %s", AT + HOUR)
    assert s.told("remind", AT) == ("not-due", "before-job")


def test_what_is_no_longer_kept_is_not_made_up(s):
    s.tick("remind", AT)
    with pytest.raises(ForgottenRun):
        s.explain("remind", AT, retention=86_400)
    with pytest.raises(ForgottenRun):
        s.explain("remind", AT.replace(year=2023), retention=86_400)
    s.tick("billed", AT)
    with pytest.raises(ForgottenRun):
        s.explain("billed", AT, retention=86_400)


def test_a_job_that_is_gone_from_the_code_is_explained(s):
    s.remember("gone", removed_at=AT + HOUR)
    assert s.told("gone", AT + 2 * HOUR) == ("not-due", "code-missing")
    assert s.told("gone", AT) == ("not-due", "unrecorded")
    s.run("gone", AT, status="done")
    assert s.told("gone", AT)[0] == "ran"
    with pytest.raises(UnknownJob):
        s.explain("never", AT)


def test_a_static_job_has_one_run_and_no_session(s):
    at = datetime(2025, 1, 1, tzinfo=UTC)
    s.tick("nightly", at, inserted_at=None, done_at=None)
    assert s.told("nightly", at, None) == ("waiting", "fan-out")
    s.run("nightly", at, "$static:nightly", status="done")
    assert s.told("nightly", at, None)[0] == "ran"
    with pytest.raises(InvalidField, match="static"):
        s.explain("nightly", at, "s")
    with pytest.raises(InvalidField, match="required"):
        s.explain("remind", at, None)


def test_a_run_by_hand_is_found_by_its_second(s):
    at = run_everywhere(s.store, AGENT, "remind", s.jobs["remind"])
    found = s.explain("remind", at.replace(microsecond=0))
    assert (found.at, found.outcome, found.code) == (at, "waiting", "fan-out")
    s.gap("remind", AT, at, "paused")
    assert s.told("remind", at) == ("waiting", "fan-out")
    s.protocol.query("update ticks set inserted_at = now(), done_at = now()")
    assert s.told("remind", at) == ("not-due", "unrecorded")
    s.tick("remind", AT + timedelta(milliseconds=5), kind="manual")
    assert s.told("remind", AT) == ("skipped", "paused")
