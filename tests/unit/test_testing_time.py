"""The clock of a test's session: what is scheduled, retried and due by cron runs when the clock moves."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest

from pumice import Agent, Retry, handler, hook, job, query, testing
from pumice.sessions.finished import TurnTimedOut
from pumice.testing import progress

START = datetime(2026, 3, 28, 12, tzinfo=UTC)
"""The day before Berlin's clocks change."""


class Clerk(Agent):
    class State(Agent.State):
        seen: list[str] = []
        failures: list[str] = []

    def _note(self, what):
        self.state.seen.append(f"{what} {self.interaction.accepted_at:%H:%M:%S}")

    def note(self, what):
        self._note(what)
        return what

    def plan(self, *delays):
        for place, delay in enumerate(delays):
            self.schedule(timedelta(seconds=delay) if place % 2 else delay, "note", f"{place}")

    def plan_at(self, when):
        self.schedule(datetime.fromisoformat(when), "note", "at")

    def pass_on(self, to, what):
        self.call(to, "note", what)

    def again(self):
        self._note("again")
        self.schedule(60, "again")

    def spin(self):
        self.schedule(0, "spin")

    @handler(retries=2, backoff=8, retry_on=(LookupError,))
    def flaky(self, times, error="LookupError"):
        self._note(f"flaky {self.interaction.attempt}")
        self.schedule(1, "note", "after flaky")
        if self.interaction.attempt <= times:
            raise {"LookupError": LookupError, "ValueError": ValueError}[error](f"no {self.interaction.attempt}")
        return self.interaction.attempt

    @hook("patient", session=query("session"))
    def patient(self, request):
        if self.interaction.attempt == 1:
            raise Retry(after=3600)
        return "at last"

    @hook("blocking", session=query("session"), respond="accepted", retries=1, backoff=20, blocking=True)
    async def blocking(self, request):
        await asyncio.sleep(0)
        if self.interaction.attempt == 1:
            raise LookupError("no")
        self._note("blocking")

    @job("0 9 * * *", timezone="Europe/Berlin")
    def morning(self):
        self._note(f"morning {self.interaction.scheduled_for:%d}")

    @job("*/30 * * * *", overlap="skip", retries=1, backoff=7200, backoff_limit=7200)
    def half_hourly(self):
        self._note(f"half {self.interaction.attempt}")
        if self.interaction.attempt == 1 and "never" in self.session_id:
            raise LookupError("no")

    @staticmethod
    @job("0 0 * * *")
    def nightly():
        return "good night"

    def on_error(self, error):
        self.state.failures.append(str(error))


@pytest.fixture
def clerk():
    return testing.session(Clerk, "c1", now=START)


def test_the_clock_stands_still_until_it_is_moved(clerk):
    clerk.call("note", "a")
    assert clerk.now == START
    clerk.advance(5)
    clerk.advance(timedelta(minutes=1))
    clerk.advance(to=datetime.fromisoformat("2026-03-28T15:00:00+02:00"))
    assert clerk.now == datetime(2026, 3, 28, 13, tzinfo=UTC)
    clerk.call("note", "b")
    assert clerk.state.seen == ["a 12:00:00", "b 13:00:00"]


def test_what_is_scheduled_runs_when_it_is_due(clerk):
    clerk.call("plan", 60, 5, 5.0, 0)
    clerk.call("plan_at", "2026-03-28T12:00:30+00:00")
    assert clerk.state.seen == ["3 12:00:00"]
    assert [one.value for one in clerk.advance(30)] == ["1", "2", "at"]
    assert [one.args for one in clerk.scheduled] == [("0",)]
    clerk.advance(29.9)
    assert len(clerk.scheduled) == 1
    assert [(one.value, one.status, one.attempts) for one in clerk.advance(0.1)] == [("0", "done", 1)]


def test_what_comes_before_on_a_session_runs_before(clerk):
    clerk.call("plan", 0, 60)
    clerk.call("note", "now")
    assert [one.split()[0] for one in clerk.state.seen] == ["0", "now"]


def test_what_is_scheduled_by_what_runs_is_due_on_the_way_too(clerk):
    clerk.call("again")
    clerk.advance(timedelta(minutes=3))
    assert clerk.state.seen == ["again 12:00:00", "again 12:00:00", "again 12:01:00", "again 12:02:00"]


def test_calls_reach_other_sessions_when_the_clock_moves(clerk):
    clerk.call("pass_on", "c2", "hi")
    clerk.call("note", "a")
    assert [one.session_id for one in clerk.calls] == ["c2"]
    assert clerk.peer("c2").state.seen == []
    [one] = clerk.advance(0)
    assert (one.session_id, one.kind, one.name, one.value) == ("c2", "call", "note", "hi")
    assert clerk.peer("c2").state.seen == ["hi 12:00:00"]


def test_a_session_that_schedules_itself_without_delay_is_found_out(clerk, monkeypatch):
    monkeypatch.setattr(progress, "MOST_AT_ONCE", 50)
    clerk.call("spin")
    with pytest.raises(RuntimeError, match="does 'spin' schedule itself without delay"):
        clerk.advance(1)


def test_a_failed_attempt_is_made_again_while_its_client_waits(clerk):
    assert clerk.call("flaky", 2) == 3
    assert clerk.attempts == 3
    assert START + timedelta(seconds=4 + 8) <= clerk.now <= START + timedelta(seconds=8 + 16)
    one = clerk.interactions[0]
    assert [(error.attempt, error.type, error.message) for error in one.errors] == [
        (1, "LookupError", "no 1"),
        (2, "LookupError", "no 2"),
    ]
    assert clerk.state.seen == ["flaky 3 12:00:00"]
    assert len(clerk.scheduled) == 1
    assert clerk.state.failures == []


def test_the_last_failure_is_raised_and_on_error_told_once(clerk):
    clerk.call("note", "a")
    with pytest.raises(LookupError, match="no 3"):
        clerk.call("flaky", 9)
    [_, one] = clerk.interactions
    assert (one.status, one.attempts, clerk.state.failures) == ("dead", 3, ["no 3"])
    assert one.reason == "dead after attempt 3: LookupError"
    assert one.problem.document()["type"] == "urn:pumice:problem:dead"
    with pytest.raises(ValueError, match="no 1"):
        clerk.call("flaky", 1, error="ValueError")
    assert clerk.interactions[-1].status == "failed"


def test_an_attempt_beyond_a_clients_patience_waits_for_the_clock(clerk):
    answer = clerk.hook("patient", query={"session": "c1"})
    assert (answer.status, answer.headers["Retry-After"], clerk.attempts) == (202, "1", 1)
    assert clerk.now == START
    [one] = clerk.advance(timedelta(hours=1))
    assert (one.status, one.attempts, answer.json["interactionId"]) == ("done", 2, one.id)

    class Asks(Agent):
        def reply(self, messages):
            raise Retry(after=60)

    asks = testing.session(Asks, now=START)
    with pytest.raises(testing.NotFinishedError, match="the chat waits for its attempt 2 at 2026-03-28T12:01:00"):
        asks.chat("hi")
    with pytest.raises(Retry):
        asks.advance(timedelta(hours=1))
    assert asks.attempts == 4


def test_a_blocking_retry_holds_up_its_session(clerk):
    clerk.call("pass_on", "c2", "elsewhere")
    clerk.hook("blocking", query={"session": "c1"})
    clerk.call("note", "behind")
    clerk.advance(30)
    assert [one.split()[0] for one in clerk.state.seen] == ["blocking", "behind"]
    assert START + timedelta(seconds=10) <= clerk.interactions[1].due[0] <= START + timedelta(seconds=20)
    assert clerk.peer("c2").state.seen == ["elsewhere 12:00:00"]


def test_failures_of_what_is_due_are_raised_when_all_has_run(clerk):
    clerk.call("note", "begin")

    class Faulty(Clerk):
        def note(self, what):
            if what == "0":
                raise LookupError("the first")
            return super().note(what)

    faulty = testing.session(Faulty, now=START)
    faulty.call("plan", 5, 6)
    with pytest.raises(LookupError, match="the first"):
        faulty.advance(10)
    assert faulty.state.seen == ["1 12:00:00"]
    assert faulty.now == START + timedelta(seconds=10)


def test_jobs_run_when_asked_in_their_timezone(clerk):
    assert clerk.advance(timedelta(hours=23)) == []
    clerk = testing.session(Clerk, "c1", now=START)
    clerk.peer("never looked at")
    ran = clerk.advance(timedelta(days=1, hours=20), jobs=True)
    mornings = [one for one in ran if one.name == "morning"]
    assert [(one.session_id, one.scheduled_for.isoformat(), one.accepted_at) for one in mornings] == [
        ("c1", "2026-03-29T07:00:00+00:00", datetime(2026, 3, 29, 7, tzinfo=UTC)),
        ("c1", "2026-03-30T07:00:00+00:00", datetime(2026, 3, 30, 7, tzinfo=UTC)),
    ]
    assert [one.value for one in ran if one.name == "nightly"] == ["good night", "good night"]
    assert len([one for one in ran if one.name == "half_hourly"]) == 44 * 2


def test_a_job_skips_a_session_whose_last_run_is_not_finished():
    never = testing.session(Clerk, "never", now=START)
    never.advance(timedelta(hours=2, minutes=45), jobs=True)
    ends = [(one.status, one.attempts, one.reason) for one in never.interactions if one.name == "half_hourly"]
    skipped = ("skipped", 0, "overlap: the previous run was not finished")
    assert ends[0] == ("done", 2, None)
    assert ends[1] == skipped
    assert {end[0] for end in ends[1:]} <= {"skipped", "queued", "done"}


def test_jobs_leave_temporary_sessions_out():
    temporary = testing.session(Clerk, now=START)
    assert [one.name for one in temporary.advance(timedelta(days=1), jobs=True)] == ["nightly"]
    assert temporary.interactions == []


def test_a_job_run_by_hand_is_due_now(clerk):
    clerk.job("morning")
    assert clerk.interactions[-1].scheduled_for == START
    assert clerk.job("nightly") == "good night"
    assert [one.name for one in clerk.interactions] == ["morning"]


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        ((), {}, "give seconds or a timedelta"),
        ((5,), {"to": START}, "give seconds or a timedelta"),
        ((-1,), {}, "can't go back"),
        ((), {"to": START - timedelta(seconds=1)}, "can't go back"),
        ((), {"to": datetime(2027, 1, 1)}, "has no timezone"),  # noqa: DTZ001 (it is refused)
    ],
)
def test_wrong_times(clerk, arguments, options, match):
    with pytest.raises(ValueError, match=match):
        clerk.advance(*arguments, **options)


def test_a_clock_needs_a_timezone():
    with pytest.raises(ValueError, match="has no timezone"):
        testing.session(Clerk, now=datetime(2027, 1, 1))  # noqa: DTZ001 (it is refused)


class Slow(Agent):
    class State(Agent.State):
        seen: list[str] = []

    gate = threading.Event()
    ended = threading.Event()

    @handler(timeout=0.2)
    def hang(self):
        self.state.seen.append("gone")
        self.send("before")
        self.gate.wait()
        self.send("after")
        type(self).ended.set()

    @handler(timeout=0.2, retries=1, backoff=1)
    async def hang_async(self):
        self.state.seen.append("gone")
        if self.interaction.attempt == 1:
            await asyncio.sleep(3600)

    def where(self):
        return threading.current_thread() is threading.main_thread()


def test_a_turn_past_its_limit_fails_and_what_it_still_does_is_dropped():
    slow = testing.session(Slow)
    with pytest.raises(TurnTimedOut, match=r"the turn took longer than its limit of 0.2 s"):
        slow.call("hang")
    Slow.gate.set()
    assert Slow.ended.wait(10)
    assert (slow.state.seen, slow.sent, slow.interactions[-1].status) == ([], ["before"], "failed")


def test_an_async_turn_past_its_limit_is_cancelled_and_made_again():
    slow = testing.session(Slow)
    slow.call("hang_async")
    assert (slow.attempts, slow.interactions[-1].errors[0].type) == (2, "timeout")
    assert slow.state.seen == ["gone"]


def test_without_time_limits_sync_handlers_run_on_the_tests_own_thread():
    assert testing.session(Slow).call("where") is False
    assert testing.session(Slow, time_limits=False).call("where") is True
