"""A chat that is accepted with its session's claim is like any other: once, in order, durable once it is told of."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pumice.agents.context import new_id
from pumice.sessions.accept import NewInteraction, accept_rows
from pumice.sessions.chat_claim import take_chat
from pumice.sessions.claim import ClaimedSession, Wanted, claim
from pumice.sessions.connections import StoreConnection
from tests.support.protocol import AGENT, Protocol, done, failed, new

TERMS: dict[str, Any] = {"worker_id": 1, "lease_seconds": 10.0}
OF_THE_MOMENT = {"id", "seq", "accepted_at", "available_at", "wake_at", "session_id", "lease_token"}
OF_THE_LEASE = {"id", "lease_token", "lease_until", "leased_at", "created_at", "updated_at", "expires_at"}


def chat(session: str = "s", **fields: Any) -> NewInteraction:
    return new(session, "chat", name=None, payload='{"messages": []}', reply_to="front", **fields)


def taken_by(protocol: Protocol, one: NewInteraction, token: int = 77) -> ClaimedSession:
    """What must be claimed with its chat."""
    claimed = take(protocol, one, token)
    assert claimed is not None
    return claimed


def take(protocol: Protocol, one: NewInteraction, token: int = 77) -> ClaimedSession | None:
    return take_chat(protocol.store, one, token=token, temporary_ttl=60.0, **TERMS)


def row(found: dict[str, Any], leaving_out: set[str]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in leaving_out}


@pytest.mark.parametrize("temporary", [False, True])
def test_a_new_session_is_made_and_claimed_as_by_two_steps(protocol, temporary):
    taken = take(protocol, one := chat("taken", temporary=temporary, unnamed=temporary))
    protocol.accept(chat("usual", temporary=temporary, unnamed=temporary))
    usual = protocol.claim_one("usual")
    assert taken is not None
    assert [work.id for work in taken.work] == [one.id]
    assert row(protocol.interactions("taken")[0], OF_THE_MOMENT) == row(
        protocol.interactions("usual")[0], OF_THE_MOMENT
    )
    assert row(protocol.session("taken"), OF_THE_LEASE) == row(protocol.session("usual"), OF_THE_LEASE)
    assert (protocol.session("taken")["expires_at"] is None) is not temporary
    work = usual.work[0]
    same = {"id": work.id, "seq": work.seq, "accepted_at": work.accepted_at}
    assert replace(taken.work[0], **same) == work
    assert replace(taken, lease=usual.lease, work=[]) == replace(usual, work=[])


def test_a_free_session_is_claimed_with_its_state(protocol):
    first = taken_by(protocol, chat())
    assert protocol.finish(first, done(first.work[0], state={"n": 1}, said=["hi"]))
    second = take(protocol, chat(), 78)
    assert second is not None
    assert (second.state, second.message_count, second.version) == ('{"n": 1}', 1, first.version)
    assert protocol.session()["lease_token"] == 78
    assert protocol.finish(second, done(second.work[0]))
    assert protocol.statuses() == ["done", "done"]


BUSY = [
    pytest.param("update sessions set lease_token = 5", id="leased"),
    pytest.param("update sessions set blocked_until = now() + interval '1 hour'", id="blocked"),
    pytest.param("update sessions set probation = true, suspect_group = 3", id="suspect"),
    pytest.param("update interactions set status = 'queued'", id="with-other-work"),
]


@pytest.mark.parametrize("statement", BUSY)
def test_a_session_that_is_not_free_only_gets_the_chat(protocol, statement):
    first = taken_by(protocol, chat())
    protocol.finish(first, done(first.work[0]))
    protocol.query(statement)
    before = protocol.session()["lease_token"]
    assert take(protocol, one := chat(), 78) is None
    assert str(protocol.interactions()[-1]["id"]) == one.id
    assert protocol.session()["lease_token"] == before


def test_work_for_later_does_not_hold_a_chat_up(protocol):
    protocol.accept(new())
    protocol.query("update interactions set available_at = now() + interval '1 hour'")
    assert take(protocol, chat()) is not None


def test_a_chat_that_was_accepted_is_not_accepted_again(protocol):
    protocol.accept(one := chat())
    assert take(protocol, one) is None
    assert protocol.statuses() == ["queued"]
    assert [work.id for work in protocol.claim_one().work] == [one.id]


def test_a_repetition_after_a_lost_connection_finds_its_own_lease(protocol):
    take(protocol, one := chat())
    assert take(protocol, one) is None
    rows = accept_rows([one], 60.0, 5.0)
    (claimed,) = claim(protocol.store, [Wanted(AGENT, "s")], token=77, **TERMS, accepting=rows)
    assert [work.id for work in claimed.work] == [one.id]


def test_several_chats_are_accepted_with_the_claim_of_their_sessions(protocol):
    chats = [chat("a"), chat("a"), chat("b")]
    wanted = [Wanted(AGENT, "a"), Wanted(AGENT, "b")]
    claimed = claim(protocol.store, wanted, token=77, **TERMS, accepting=accept_rows(chats, 60.0, 5.0))
    assert [work.id for one in claimed for work in one.work] == [one.id for one in chats]


def test_quiet_sessions_know_that_nothing_was_recorded(protocol):
    first = taken_by(protocol, chat())
    protocol.finish(first, done(first.work[0]))
    protocol.query("update sessions set quiet = true")
    taken = take(protocol, chat(), 78)
    assert taken is not None
    assert taken.work[0].answers == ""


def test_accepting_what_a_worker_wrote_without_the_disk_waits_for_the_disk(protocol):
    hasty = StoreConnection(protocol.settings, durable=False)
    for _ in range(5):
        one = chat(new_id())
        assert take_chat(hasty, one, token=77, temporary_ttl=60.0, **TERMS)
        written = _written(hasty)
        protocol.accept(one)
        flushed = protocol.query("select pg_current_wal_flush_lsn() >= %s::pg_lsn as it", written)[0]["it"]
        assert flushed
    hasty.close()


def test_a_turn_that_is_committed_has_its_chat_on_disk(protocol):
    hasty = StoreConnection(protocol.settings, durable=False)
    taken = take_chat(hasty, chat(), token=77, temporary_ttl=60.0, **TERMS)
    assert taken is not None
    written = _written(hasty)
    assert protocol.finish(taken, done(taken.work[0]))
    assert protocol.query("select pg_current_wal_flush_lsn() >= %s::pg_lsn as it", written)[0]["it"]
    hasty.close()


def test_a_session_that_is_held_is_not_waited_for(protocol):
    first = taken_by(protocol, chat())
    protocol.finish(first, done(first.work[0]))
    hasty = StoreConnection(protocol.settings, durable=False)
    with psycopg.connect(protocol.settings.database_url) as holding:
        holding.execute("select from sessions for update")
        assert take_chat(hasty, chat(), token=78, temporary_ttl=60.0, **TERMS) is None
    hasty.close()
    assert protocol.statuses() == ["done", "queued"]


def test_a_session_that_is_being_deleted_is_not_waited_for_long(protocol):
    first = taken_by(protocol, chat())
    protocol.finish(first, done(first.work[0]))
    hasty = StoreConnection(protocol.settings, durable=False)
    with psycopg.connect(protocol.settings.database_url) as deleting:
        deleting.execute("delete from sessions")
        with pytest.raises(Exception, match="lock"):
            take_chat(hasty, chat(), token=78, temporary_ttl=60.0, **TERMS)
    hasty.close()
    assert protocol.statuses() == ["done"]


def _written(store: StoreConnection) -> str:
    """Up to where the log was written, on disk or not."""
    found = store.connection.execute("select pg_current_wal_insert_lsn()::text").fetchone()
    assert found is not None
    return str(found[0])


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hand"), st.integers(0, 4)),
        st.tuples(st.just("accept"), st.integers(0, 4)),
        st.tuples(st.sampled_from(["claim", "finish", "fail"]), st.just(0)),
    ),
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(STEPS)
def test_each_chat_runs_once_whoever_accepts_it(protocol, steps):
    """Messages may come twice, late, or never; fronts may accept before, after, or between."""
    protocol.empty()
    chats, held, token = [chat() for _ in range(5)], None, 1_000_000
    ran: list[str] = []

    def end(one: ClaimedSession, *, fails: bool = False) -> None:
        outcomes = [failed(work) if fails else done(work) for work in one.work]
        assert protocol.finish(one, *outcomes)
        ran.extend(work.id for work in one.work)

    for what, which in [*steps, *(("accept", one) for one in range(5)), ("finish", 0), ("claim", 0), ("finish", 0)]:
        token += 1
        if what == "accept":
            protocol.accept(chats[which])
        elif what == "hand":
            taken = take(protocol, chats[which], token)
            assert taken is None or held is None
            held = taken or held
        elif what == "claim":
            found = protocol.claim("s")
            assert not found or held is None
            held = found[0] if found else held
        elif held is not None:
            end(held, fails=what == "fail")
            held = None
    assert sorted(ran) == sorted(one.id for one in chats)
    assert ran == [str(found["id"]) for found in protocol.interactions()]
