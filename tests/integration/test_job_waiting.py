"""What a queued run of a job waits for."""

from datetime import UTC, datetime, timedelta

import pytest

from pumice.sessions.job_runs import database_time
from tests.support.protocol import AGENT, new

AT = datetime(2025, 1, 1, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def queued(desk):
    """A session with a queued run, and a live worker that serves the agent."""
    desk.session()
    desk.remember("remind", first_seen_at=AT)
    desk.id = desk.run("remind", AT)
    desk.protocol.query("insert into workers (id, name, holds_lock, agents) overriding system value "
                        "values (1, 'host:7', false, %s)", [AGENT])  # fmt: skip
    return desk


def later(desk):
    return database_time(desk.store) + MINUTE


def test_it_waits_for_a_free_worker(queued):
    found = queued.explain("remind", AT)
    assert (found.outcome, found.code, found.run.id) == ("waiting", "worker", queued.id)


def test_it_is_running_and_on_which_worker(queued):
    queued.protocol.claim_one()
    found = queued.explain("remind", AT)
    assert (found.code, found.reason) == ("running", "its turn is running now on worker host:7")


def test_it_is_behind_another_turn_and_what_waits_before_it(queued):
    queued.protocol.query("delete from interactions")
    [first, *_] = queued.protocol.accept(*(new("s", "chat", name=None) for _ in range(3)))
    queued.run("remind", AT)
    assert queued.explain("remind", AT).reason == f"3 interactions of its session come first, from {first.id} on"
    queued.protocol.claim_one()
    found = queued.explain("remind", AT)
    assert found.code == "behind"
    assert found.reason == (
        f"the chat ({first.id}) of its session is running on worker host:7, and 2 interactions of the session before it"
    )


def test_what_came_after_it_is_not_before_it(queued):
    queued.protocol.accept(new("s", "chat", name=None))
    assert queued.told("remind", AT) == ("waiting", "worker")


def test_it_waits_for_its_retry(queued):
    error = '[{"attempt": 1, "type": "ValueError"}]'
    until = later(queued)
    queued.protocol.query("update interactions set attempts = 1, available_at = %s, errors = %s", until, error)
    found = queued.explain("remind", AT)
    assert found.code == "retry"
    assert found.reason == f"attempt 1 failed with ValueError; it is tried again at {until.isoformat()}"


def test_it_waits_for_its_jitter(queued):
    queued.protocol.query("update interactions set available_at = %s", later(queued))
    assert queued.told("remind", AT) == ("waiting", "jitter")


def test_its_session_is_blocked(queued):
    queued.protocol.query("update sessions set blocked_until = %s", later(queued))
    assert queued.told("remind", AT) == ("waiting", "blocked")


def test_its_session_is_in_quarantine(queued):
    queued.protocol.query("update sessions set probation = true, suspect_group = 1")
    assert queued.told("remind", AT) == ("waiting", "quarantine")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("update workers set agents = '{other}'", "none of the 1 live workers serves the agent"),
        ("update workers set seen_at = now() - interval '1 minute'", "no worker is alive"),
    ],
)
def test_no_worker_would_run_it(queued, change, said):
    queued.protocol.query(change)
    found = queued.explain("remind", AT)
    assert found.code == "unserved"
    assert said in found.reason


def test_a_worker_of_an_older_release_may_serve_it(queued):
    queued.protocol.query("update workers set agents = null")
    assert queued.told("remind", AT) == ("waiting", "worker")


def test_its_code_is_gone(queued):
    queued.run("gone", AT)
    queued.remember("gone")
    queued.protocol.query("delete from interactions where name = 'remind'")
    assert queued.told("gone", AT) == ("waiting", "code-missing")


def test_its_tick_has_not_woken_it(queued):
    queued.tick("remind", AT, done_at=None, woken="a")
    found = queued.explain("remind", AT)
    assert (found.code, found.reason) == (
        "in-line",
        "its tick wakes sessions in the order of their ids, and has come up to 'a'",
    )
    queued.protocol.query("update ticks set woken = 'z'")
    assert queued.told("remind", AT) == ("waiting", "worker")
