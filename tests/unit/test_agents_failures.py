"""Failed turns: retries, time limits, `on_error`."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice import Agent, Retry, handler
from pumice.agents.declare import Policy
from pumice.agents.failures import MESSAGE_LIMIT, backoff, failure_of
from pumice.errors import InvalidField
from tests.support.turns import bench


class Flaky(Agent):
    class State(Agent.State):
        tries: int = 0
        errors: list[str] = []

    @handler(retries=2, backoff=4, retry_on=(OSError,))
    def fetch(self, error):
        self.state.tries += 1
        raise {"os": OSError("away"), "value": ValueError("bad"), "exit": SystemExit(3)}[error]

    @handler(blocking=True)
    def ask(self, after):
        raise Retry(after)

    def reject(self):
        raise InvalidField("order", "is unknown")

    def on_error(self, error):
        self.state.errors.append(type(error).__name__)
        self.call("ops", "ask", 1)


@pytest.mark.parametrize(
    ("error", "attempts", "status"), [("os", 0, "retry"), ("os", 1, "retry"), ("os", 2, "dead"), ("value", 0, "failed")]
)
def test_what_is_retried_and_how_often(error, attempts, status):
    outcome = bench(Flaky).call("fetch", error, attempts=attempts)
    assert outcome.status == status
    assert outcome.failure is not None
    assert outcome.failure.attempt == attempts + 1
    assert (outcome.failure.retry_after > 0) == (status == "retry")


@pytest.mark.parametrize(("crashes", "status"), [(0, "dead"), (1, "retry")])
def test_a_crash_uses_up_no_retry(crashes, status):
    assert failure_of(ValueError(), Policy(timeout=60, retries=2), 3, crashes=crashes).status == status


@pytest.mark.parametrize(("attempts", "status"), [(0, "retry"), (2, "retry"), (3, "dead")])
def test_a_handler_may_ask_for_a_retry(attempts, status):
    outcome = bench(Flaky).call("ask", 7.5, attempts=attempts)
    assert outcome.status == status
    assert outcome.failure is not None
    assert outcome.failure.blocking
    assert outcome.failure.retry_after == (7.5 if status == "retry" else 0)


def test_on_error_hears_of_what_failed_for_good():
    session = bench(Flaky, state="{}")
    assert session.call("fetch", "os").state is None
    outcome = session.call("fetch", "os", attempts=2)
    assert session.state == {"tries": 0, "errors": ["OSError"]}
    assert [one.session_id for one in outcome.calls] == ["ops"]


def test_on_error_of_a_session_that_is_not_set_up_keeps_only_its_calls():
    session = bench(Flaky)
    outcome = session.call("fetch", "value")
    assert session.live.is_new
    assert outcome.state is None
    assert [one.session_id for one in outcome.calls] == ["ops"]


def test_a_failing_on_error_is_noted():
    class Worse(Agent):
        def work(self):
            raise ValueError("first")

        def on_error(self, error):
            raise KeyError("second")

    outcome = bench(Worse, state="{}").call("work")
    assert outcome.failure is not None
    assert outcome.failure.message == "first\non_error failed too: KeyError: 'second'"


def test_an_exit_is_a_failure():
    outcome = bench(Flaky).call("fetch", "exit")
    assert outcome.failure is not None
    assert outcome.failure.type == "SystemExit"


class MuteError(Exception):
    def __str__(self):
        raise SystemExit(3)

    __repr__ = __str__


def test_an_exception_whose_text_exits_is_a_failure_too():
    failure = failure_of(MuteError())
    assert (failure.status, failure.type) == ("failed", "MuteError")


def test_a_problem_keeps_its_document():
    failure = bench(Flaky).call("reject").failure
    assert failure is not None
    assert failure.problem is not None
    assert failure.problem["status"] == 422
    assert failure.encode()["problem"] == failure.problem


class Slow(Agent):
    class State(Agent.State):
        done: int = 0

    @handler(timeout=0.02)
    async def wait(self):
        self.state.done = 1
        await asyncio.Event().wait()

    @handler(timeout=5)
    async def own(self):
        raise TimeoutError("mine")

    @handler(timeout=0.02)
    async def broken(self):
        raise ValueError("broken")

    async def on_error(self, error):
        if isinstance(error, ValueError):
            await asyncio.Event().wait()
        self.state.done = 5


def test_an_async_turn_ends_at_its_time_limit():
    session = bench(Slow, state="{}")
    outcome = session.call("wait")
    assert outcome.failure is not None
    assert (outcome.status, outcome.failure.type) == ("failed", "timeout")
    assert "0.02 s" in outcome.failure.message
    assert session.state == {"done": 5}


def test_a_timeout_of_the_handlers_own_is_no_time_limit():
    failure = bench(Slow).call("own").failure
    assert failure is not None
    assert (failure.type, failure.message) == ("TimeoutError", "mine")


def test_on_error_has_the_same_time_limit():
    session = bench(Slow, state="{}")
    failure = session.call("broken").failure
    assert failure is not None
    assert "on_error failed too: TimeoutError" in failure.message
    assert session.state == {}


def test_a_handlers_own_cancelled_error_is_a_failure():
    class Cancelled(Agent):
        async def work(self):
            raise asyncio.CancelledError("by a scope of the author's")

    failure = bench(Cancelled).call("work").failure
    assert failure is not None
    assert (failure.type, failure.message) == ("CancelledError", "by a scope of the author's")


@given(st.integers(1, 10_000), st.floats(0, 1e6), st.floats(0, 1e6))
def test_backoff_doubles_with_jitter_up_to_its_limit(attempt, first, limit):
    full = min(first * 2.0 ** min(attempt - 1, 64), limit)
    assert full / 2 <= backoff(Policy(1, backoff=first, backoff_limit=limit), attempt) <= full


def test_a_failure_is_cut_and_cleaned():
    failure = failure_of(ValueError("\x00\ud800" + "x" * 10_000))
    assert len(failure.message) == MESSAGE_LIMIT
    assert "\x00" not in failure.message
    failure.message.encode()


def test_a_failure_says_where_the_authors_code_failed():
    try:
        json.loads("{")
    except ValueError as error:
        where = failure_of(error).where
    assert where.rpartition(":")[0] == __file__
    assert failure_of(TimeoutError()).where == "?:?"
