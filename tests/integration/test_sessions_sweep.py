"""Sweep: what has had its time goes, in small batches, and nothing else."""

from itertools import pairwise

import pytest

from pumice.agents.context import new_id
from pumice.sessions import expiry, retention
from pumice.sessions.sweep import ELECTION, Sweeper
from pumice.settings import Settings
from tests.support.protocol import AGENT, done, new

EXPIRE = "update sessions set expires_at = now() - interval '1 s' where temporary"
OLD_ID = "01000000-0000-7000-8000-000000000000"


def swept(protocol, **settings):
    """What a round deletes, by kind."""
    environ = {"DATABASE_URL": protocol.settings.database_url, **settings}
    gone: dict[str, int] = {}
    for one in Sweeper(Settings.from_env(environ)).round(protocol.store):
        gone[one.kind] = gone.get(one.kind, 0) + one.gone
    return {kind: count for kind, count in gone.items() if count}


def ran(protocol, session, **fields):
    """A session with one finished turn."""
    protocol.accept(new(session, **fields))
    claimed = protocol.claim_one(session)
    protocol.finish(claimed, done(claimed.work[0], said=["a"]))


def age(protocol, days, condition="true"):
    protocol.query(f"update interactions set finished_at = now() - interval '{days} days' where {condition}")


def left(protocol):
    return [row["id"] for row in protocol.query("select id from sessions order by id")]


def test_an_expired_temporary_session_goes_with_what_belongs_to_it(protocol):
    ran(protocol, "temporary", temporary=True)
    ran(protocol, "kept")
    assert swept(protocol) == {}
    protocol.query(EXPIRE)
    assert swept(protocol) == {"sessions": 1}
    assert left(protocol) == ["kept"]
    for table in ("interactions", "messages"):
        assert protocol.query(f"select session_id from {table}") == [{"session_id": "kept"}]


def test_a_session_with_something_to_do_stays(protocol):
    protocol.accept(new("waiting", temporary=True), new("running", temporary=True))
    protocol.claim_one("running")
    protocol.query(EXPIRE)
    assert swept(protocol) == {}
    assert left(protocol) == ["running", "waiting"]


def test_a_delivery_that_may_be_repeated_outlives_its_temporary_session(protocol):
    ran(protocol, "t", temporary=True, key="d1")
    ran(protocol, "t", temporary=True)
    protocol.query(EXPIRE)
    assert swept(protocol) == {"sessions": 1}
    assert [row["dedupe_key"] for row in protocol.interactions("t")] == ["d1"]
    repeat = protocol.accept(new("t", temporary=True, key="d1"))[0]
    assert repeat.duplicate
    assert str(protocol.interactions("t")[0]["id"]) == repeat.id


def test_a_long_history_goes_in_small_transactions(protocol, monkeypatch):
    monkeypatch.setattr(expiry, "ROWS", 100)
    ran(protocol, "t", temporary=True)
    protocol.query(
        "insert into messages (agent_id, session_id, seq, role, content, interaction_id)"
        " select 'agent', 't', n, 'user', '\"x\"', pumice_uuid7() from generate_series(1, 999) n"
    )
    protocol.query("update sessions set message_count = 1000")
    protocol.query(EXPIRE)
    rounds = Sweeper(protocol.settings).round(protocol.store)
    sizes = [protocol.query("select count(*) as n from messages")[0]["n"] for _ in rounds]
    steps = [before - after for before, after in pairwise([1_000, *sizes])]
    assert max(steps) <= 100
    assert sizes[-1] == 0
    assert left(protocol) == []


def test_a_session_that_is_used_while_it_is_emptied_is_a_new_one(protocol, monkeypatch):
    monkeypatch.setattr(expiry, "SHORT", 0)
    ran(protocol, "t", temporary=True)
    protocol.query(EXPIRE)
    next(iter(Sweeper(protocol.settings).round(protocol.store)))
    protocol.accept(new("t", temporary=True))
    assert swept(protocol) == {}
    claimed = protocol.claim_one("t")
    assert (claimed.state, claimed.history_start) == (None, 1)
    assert protocol.finish(claimed, done(claimed.work[0], said=["again"]))
    assert protocol.messages("t") == [(1, "again")]


def test_old_history_goes_and_its_session_stays(protocol):
    ran(protocol, "s")
    protocol.accept(new("s"))
    age(protocol, 31, "status = 'done'")
    assert swept(protocol) == {"interactions": 1}
    assert protocol.statuses() == ["queued"]
    assert protocol.messages() == [(0, "a")]


def test_what_was_accepted_long_ago_and_finished_just_now_stays(protocol):
    ran(protocol, "s")
    protocol.query("update interactions set id = %s, accepted_at = now() - interval '60 days'", OLD_ID)
    assert swept(protocol) == {}
    assert protocol.statuses() == ["done"]


@pytest.mark.parametrize("days", [0.00002, 1, 30, 36_525])
def test_young_history_stays(protocol, days):
    ran(protocol, "s")
    protocol.query("update interactions set id = %s, finished_at = clock_timestamp()", new_id())
    assert swept(protocol, RETENTION_DAYS=str(days)) == {}
    assert protocol.statuses() == ["done"]


def test_old_work_that_still_waits_stays(protocol):
    protocol.accept(new("s"))
    protocol.query("update interactions set id = %s, accepted_at = now() - interval '60 days'", OLD_ID)
    assert swept(protocol) == {}


def test_a_delivery_that_may_be_repeated_outlives_the_retention(protocol):
    ran(protocol, "s", key="d1")
    age(protocol, 31)
    assert swept(protocol) == {}
    protocol.query("update interactions set accepted_at = now() - interval '2 days'")
    assert swept(protocol) == {"interactions": 1}


def test_a_backlog_goes_in_one_round(protocol, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    for number in range(5):
        ran(protocol, f"s{number}")
    age(protocol, 31)
    assert swept(protocol) == {"interactions": 5}


def test_rows_that_others_hold_are_left_for_the_next_time(protocol, rival):
    for name in "ab":
        ran(protocol, name)
        ran(protocol, f"t{name}", temporary=True)
    age(protocol, 31, "session_id in ('a', 'b')")
    protocol.query(EXPIRE)
    with rival.store.connection.transaction():
        rival.store.connection.execute("select from interactions where session_id = 'a' for update")
        rival.store.connection.execute("select from sessions where id = 'ta' for update")
        assert swept(protocol) == {"interactions": 1, "sessions": 1}
    assert swept(protocol) == {"interactions": 1, "sessions": 1}
    assert left(protocol) == ["a", "b"]


def test_one_sweeps_at_a_time(protocol, rival):
    ran(protocol, "t", temporary=True)
    protocol.query(EXPIRE)
    with rival.store.connection.transaction():
        rival.store.connection.execute("select pg_advisory_xact_lock(%s)", [ELECTION])
        assert swept(protocol) == {}
    assert swept(protocol) == {"sessions": 1}


def insert_tick(protocol, job, age_days, *, done_days=None):
    protocol.query(
        "insert into ticks (agent_id, job, scheduled_for, done_at)"
        " values (%s, %s, now() - %s * interval '1 day', now() - %s::float * interval '1 day')",
        AGENT,
        job,
        age_days,
        done_days,
    )


def test_old_ticks_go_when_they_were_done_long_ago_but_for_each_jobs_newest(protocol):
    for job in ("a", "b"):
        for days in (33, 32, 31):
            insert_tick(protocol, job, days, done_days=days)
    insert_tick(protocol, "c", 40, done_days=1)
    insert_tick(protocol, "c", 39)
    insert_tick(protocol, "c", 0, done_days=0)
    assert swept(protocol) == {"ticks": 4}
    rows = protocol.query(
        "select job, extract(day from now() - scheduled_for)::int as days from ticks order by 1, 2 desc"
    )
    assert [(row["job"], row["days"]) for row in rows] == [("a", 31), ("b", 31), ("c", 40), ("c", 39), ("c", 0)]


def test_beats_that_ended_go(protocol):
    protocol.query("delete from beats")
    protocol.query("insert into beats (name, seen_at) values ('old', now() - interval '2 days'), ('new', now())")
    assert swept(protocol) == {"beats": 1}
    assert protocol.query("delete from beats returning name") == [{"name": "new"}]


def age_sessions(protocol):
    protocol.query("update sessions set created_at = now() - interval '8 days'")


def run_job(protocol, session):
    ran_before = protocol.accept(new(session, "job", name="remind"))
    claimed = protocol.claim_one(session)
    protocol.finish(claimed, done(claimed.work[0], state={"n": 1}))
    return ran_before


def test_sessions_to_which_nothing_but_jobs_happened_go(protocol):
    for name in ("empty", "$static:x"):
        run_job(protocol, name)
    for name in ("hooked", "told", "described", "waiting"):
        run_job(protocol, name)
    protocol.accept(new("waiting", "job", name="remind"))
    ran(protocol, "hooked")
    protocol.query("delete from messages where session_id = 'hooked'")
    protocol.query("update sessions set message_count = 0 where id = 'hooked'")
    protocol.query("update sessions set message_count = 2 where id = 'told'")
    protocol.query("update sessions set metadata = '{\"a\": 1}' where id = 'described'")
    assert swept(protocol) == {}
    age_sessions(protocol)
    assert swept(protocol, EMPTY_SESSION_TTL="0") == {}
    assert swept(protocol) == {"empty sessions": 1}
    assert left(protocol) == ["$static:x", "described", "hooked", "told", "waiting"]
    assert protocol.interactions("empty") == []


def test_a_session_whose_hooks_are_long_forgotten_is_no_empty_one(protocol, rival):
    ran(protocol, "s")
    run_job(protocol, "s")
    protocol.query("update sessions set message_count = 0")
    age(protocol, 31)
    age_sessions(protocol)
    with rival.store.connection.transaction():
        rival.store.connection.execute("select from sessions for update")
        assert swept(protocol) == {"interactions": 1}
    assert [row["kind"] for row in protocol.interactions()] == ["hook"]
    assert swept(protocol) == {"interactions": 1}
    assert swept(protocol) == {}
    assert left(protocol) == ["s"]


def test_an_empty_session_with_many_runs_goes_step_by_step(protocol, monkeypatch):
    monkeypatch.setattr(expiry, "SHORT", 3)
    monkeypatch.setattr(expiry, "ROWS", 2)
    for _ in range(8):
        run_job(protocol, "s")
    age_sessions(protocol)
    assert swept(protocol) == {"empty sessions": 1}
    assert protocol.interactions() == []


def test_all_sessions_are_walked_through(protocol, monkeypatch):
    monkeypatch.setattr(expiry, "PAGE", 2)
    for number in range(7):
        run_job(protocol, f"s{number}")
    ran(protocol, "s3")
    age_sessions(protocol)
    sweeper = Sweeper(protocol.settings)
    for _ in range(4):
        list(sweeper.round(protocol.store))
    assert left(protocol) == ["s3"]
