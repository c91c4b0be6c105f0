"""Deleting a session: all of it goes, in short transactions, and it stays deleted."""

from itertools import pairwise

import pytest

from pumice.agents.context import Call, new_id
from pumice.errors import StoreBusyError
from pumice.sessions import deletion
from pumice.sessions.deletion import delete_session
from pumice.sessions.fan_out import fan_out_page
from pumice.sessions.rescue import rescue
from tests.support.protocol import AGENT, done, new
from tests.support.ticks import insert_tick, made, tick_of


def delete(steps, session="s", agent=AGENT):
    """The statuses of what a deletion closed; None when there was no session."""
    found = list(delete_session(steps.store, agent, session))
    return [one.status for step in found for one, _ in step.interactions] if found else None


def filled(protocol, messages=0):
    """A session with a finished turn, one that runs and one that waits."""
    protocol.accept(new(key="first"))
    claimed = protocol.claim_one()
    protocol.finish(claimed, done(claimed.work[0], state={"n": 1}, said=["a"]))
    protocol.query(
        "insert into messages (agent_id, session_id, seq, role, content, interaction_id)"
        " select 'agent', 's', n, 'user', '\"x\"', pumice_uuid7() from generate_series(1, %s) n",
        messages,
    )
    protocol.query("update sessions set message_count = message_count + %s", messages)
    protocol.accept(new(reply_to="front", payload='{"secret": 1}', body=b"secret", key="second"), new())
    return protocol.claim_one()


def test_a_session_goes_with_all_that_belongs_to_it(protocol):
    filled(protocol)
    protocol.accept(new("s", agent_id="other"))
    assert delete(protocol, agent="nobody") is None
    assert delete(protocol) == ["cancelled", "cancelled"]
    assert delete(protocol) is None
    assert protocol.query("select agent_id from sessions") == [{"agent_id": "other"}]
    assert protocol.messages() == []
    rows = protocol.interactions()
    assert [(row["status"], row["reason_code"], row["payload"], row["body"]) for row in rows] == [
        ("cancelled", "deleted", {}, None)
    ] * 2
    assert not protocol.accept(new(key="second"))[0].duplicate


def test_a_turn_that_runs_meanwhile_is_fenced(protocol):
    claimed = filled(protocol)
    steps = list(delete_session(protocol.store, AGENT, "s"))
    assert [step.token for step in steps] == [claimed.lease.token]
    assert {front for _, front in steps[0].interactions} == {"front", None}
    assert not protocol.finish(claimed, done(claimed.work[0], state={"n": 2}))


def test_a_long_history_goes_in_short_transactions_and_is_hidden_at_once(protocol, monkeypatch):
    monkeypatch.setattr(deletion, "ROWS", 100)
    filled(protocol, messages=950)
    sizes = [len(protocol.messages())]
    for _ in delete_session(protocol.store, AGENT, "s"):
        sizes.append(len(protocol.messages()))
        rows = protocol.query("select state, message_count - history_start as shown from sessions")
        assert rows in ([{"state": None, "shown": 0}], [])
    assert max(before - after for before, after in pairwise(sizes)) <= 100
    assert sizes[-1] == 0
    assert protocol.query("select id from sessions") == []


def test_a_row_that_others_hold_ends_in_an_error_and_changes_nothing(protocol, rival):
    filled(protocol)
    with rival.store.connection.transaction():
        rival.store.connection.execute("select from sessions for update")
        with pytest.raises(StoreBusyError):
            delete(protocol)
    assert delete(protocol) == ["cancelled", "cancelled"]


def pass_of_rescue(protocol):
    protocol.query("update interactions set wake_at = now() where status = 'queued'")
    found = rescue(protocol.store, crash_limit=3)
    assert found is not None
    return sorted(found.wakes)


def test_a_deleted_session_does_not_come_back_by_a_page_of_a_job(protocol, rival):
    protocol.accept(new())
    claimed = protocol.claim_one()
    protocol.finish(claimed, done(claimed.work[0]))
    insert_tick(protocol)
    with rival.store.transaction():
        assert fan_out_page(rival.store, tick_of(), made()) is not None
        assert delete(protocol) == []
    assert protocol.statuses() == ["queued"]
    assert pass_of_rescue(protocol) == []
    assert protocol.interactions() == []
    assert protocol.query("select id from sessions") == []


def test_what_was_sent_meanwhile_makes_the_session_again(protocol):
    temporary = f"tmp-{new_id()}"
    protocol.accept(new("hooked"), new("chatted", "chat"), new(temporary), new("$static:x", "job"), new("job", "job"))
    protocol.query("delete from sessions")
    assert [session for _, session, _ in pass_of_rescue(protocol)] == ["$static:x", "chatted", "hooked", temporary]
    rows = protocol.query("select id, temporary, expires_at > now() as expires from sessions where temporary")
    assert rows == [{"id": temporary, "temporary": True, "expires": True}]


def test_a_temporary_session_that_expired_is_temporary_again(protocol):
    accepted, called = f"tmp-{new_id()}", f"tmp-{new_id()}"
    protocol.accept(new(accepted), new("tmp-of-mine"))
    claimed = protocol.claim_one("tmp-of-mine")
    calls = [Call(new_id(), name, "method", "{}", None, 0.0) for name in (called, called, "target")]
    protocol.finish(claimed, done(claimed.work[0], calls=calls))
    rows = protocol.query("select id, temporary, expires_at is not null as expires from sessions")
    assert {row["id"]: (row["temporary"], row["expires"]) for row in rows} == {
        accepted: (True, True),
        called: (True, True),
        "tmp-of-mine": (False, False),
        "target": (False, False),
    }
