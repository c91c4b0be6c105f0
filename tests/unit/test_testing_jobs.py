"""Jobs of an agent under test: intervals, each session's own time, conditions, overlap and jitter."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pumice import Agent, job, testing

START = datetime(2026, 3, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Base(Agent):
    class State(Agent.State):
        plan: str = "free"
        orders: list[dict[str, int]] = []

    def touch(self) -> None: ...


def backend(*arguments: Any, **options: Any) -> testing.backend.Backend:
    """An agent with one job, declared so, which fails its first attempt where the session's id says so."""

    class One(Base):
        @job(*arguments, **options)
        def work(self) -> None:
            if self.interaction.attempt == 1 and "fails" in self.session_id:
                raise LookupError("no")

    return testing.backend.Backend(One, now=START)


def runs(session: testing.AgentSession) -> list[str]:
    """When a session's jobs were due."""
    return [f"{one.scheduled_for:%d %H:%M}" for one in session.interactions if one.scheduled_for]


def test_intervals_are_counted_from_the_epoch():
    session = backend(every=timedelta(hours=5)).session("a")
    session.advance(12 * HOUR, jobs=True)
    assert runs(session) == ["28 15:00", "28 20:00"]


def test_intervals_are_counted_from_each_sessions_creation():
    served = backend(every=timedelta(hours=5), anchor="created")
    first = served.session("a")
    first.advance(90 * 60, jobs=True)
    second = served.session("b")
    first.advance(10 * HOUR, jobs=True)
    assert runs(first) == ["28 17:00", "28 22:00"]
    assert runs(second) == ["28 18:30", "28 23:30"]


def test_each_session_has_its_own_time():
    served = backend("0 9 * * *", timezone="session")
    here, berlin, tokyo = (served.session(name) for name in ("here", "berlin", "tokyo"))
    berlin.timezone, tokyo.timezone = "Europe/Berlin", "Asia/Tokyo"
    here.advance(DAY, jobs=True)
    assert [runs(one) for one in (here, berlin, tokyo)] == [["29 09:00"], ["29 07:00"], ["29 00:00"]]
    tokyo.timezone = None
    tokyo.advance(DAY, jobs=True)
    assert runs(tokyo) == ["29 00:00", "30 09:00"]
    with pytest.raises(ValueError, match="Mars/Base"):
        here.timezone = "Mars/Base"


def test_temporary_sessions_have_jobs_where_they_say_so():
    session = backend("0 9 * * *", temporary=True).session()
    session.advance(DAY, jobs=True)
    assert runs(session) == ["29 09:00"]


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({"state.plan": "pro"}, ["pro"]),
        ({"state.plan": {"ne": "pro"}}, ["free", "new"]),
        ({"state.plan": {"in": ["pro", "free"]}}, ["free", "pro"]),
        ({"state.plan": {"gt": "free"}}, ["pro"]),
        ({"state.plan": {"exists": False}}, ["new"]),
        ({"state.orders.0.total": {"gte": 5}}, ["pro"]),
        ({"metadata.region": "eu"}, ["free"]),
        ({"metadata.score": {"lt": 3}}, ["free"]),
        ({"metadata.region": None}, ["new", "pro"]),
        ({"id": {"in": ["new", "free"]}}, ["free", "new"]),
        ({"createdAt": {"lte": START.isoformat()}}, ["free", "new", "pro"]),
        ({"messageCount": {"gt": 0}}, []),
        ({"temporary": False, "state.plan": "free"}, ["free"]),
    ],
)
def test_conditions_choose_the_sessions(where, ids):
    served = backend("0 9 * * *", where=where)
    free = served.session("free", state={"plan": "free"})
    free.metadata.update(region="eu", score=2)
    served.session("pro", state={"plan": "pro", "orders": [{"total": 5}]})
    served.session("new")
    ran = free.advance(DAY, jobs=True)
    assert sorted(one.session_id for one in ran) == ids


def test_a_condition_on_what_no_test_knows_is_an_error():
    session = backend("0 9 * * *", where={"size": {"gt": 5}}).session("a")
    with pytest.raises(LookupError, match="size"):
        session.advance(DAY, jobs=True)


def statuses(overlap: str) -> list[tuple[str, str | None]]:
    options: dict[str, Any] = {"retries": 1, "backoff": 7_200, "backoff_limit": 7_200, "blocking": True}
    session = backend("0 * * * *", overlap=overlap, **options).session("fails")
    session.advance(2 * HOUR, jobs=True)
    return [(one.status, one.reason) for one in session.interactions]


def test_overlap():
    assert statuses("skip")[1] == ("skipped", "overlap: the previous run was not finished")
    assert statuses("cancel")[0] == ("cancelled", "overlap: the next run of its job was due")
    assert [status for status, _ in statuses("queue")] == ["queued", "queued"]


def test_jitter_moves_runs_to_later_and_not_their_due_times():
    served = backend("0 9 * * *", jitter=3_600)
    one = served.session("a")
    other = served.session("b")
    one.advance(3 * DAY, jobs=True)
    starts = [
        [run.available_at - run.scheduled_for for run in each.interactions if run.scheduled_for]
        for each in (one, other)
    ]
    assert all(timedelta(0) < late < HOUR for each in starts for late in each)
    assert [len(set(each)) for each in starts] == [1, 1]
    assert starts[0] != starts[1]
    assert runs(one) == runs(other) == ["29 09:00", "30 09:00", "31 09:00"]
