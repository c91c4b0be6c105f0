"""Reading and managing sessions, each query within one agent."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from pumice.sessions import queries
from pumice.sessions.accept import ensure_session
from pumice.sessions.engine import make_engine
from tests.support.protocol import AGENT, done, new


@pytest.fixture
def engine(protocol):
    made = make_engine(protocol.settings)
    yield made
    made.dispose()


@pytest.fixture
def session(protocol):
    """A session with two finished turns and one that waits."""
    protocol.accept(new("s"), new("s"), new("s"))
    claimed = protocol.claim_one("s", limit=2)
    protocol.finish(claimed, done(claimed.work[0], state={"n": 1}, said=["a"]), done(claimed.work[1], said=["b"]))
    return [str(row["id"]) for row in protocol.interactions("s")]


def ids(rows):
    return [row.id for row in rows]


def test_sessions_are_listed_by_byte_order_within_their_agent(protocol, engine):
    names = ["b", "A", "a", "ä", "B", "1", "$static:x"]
    protocol.accept(*(new(name) for name in names), new("theirs", agent_id="other"))
    every = ids(queries.list_sessions(engine, AGENT, after="", limit=10))
    assert every == ["1", "A", "B", "a", "b", "ä"]
    assert ids(queries.list_sessions(engine, AGENT, after="B", limit=2)) == ["a", "b"]


def test_a_session_is_created_once(protocol, engine):
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: queries.create_session(engine, AGENT, "s", {"n": n}), range(4)))
    assert sorted(made) == [False, False, False, True]
    row = queries.get_session(engine, AGENT, "s")
    assert row is not None
    assert row.metadata == {"n": made.index(True)}
    assert queries.get_session(engine, "other", "s") is None


def test_a_session_is_made_if_it_is_missing(protocol):
    ensure_session(protocol.store, AGENT, "t", temporary_ttl=60)
    ensure_session(protocol.store, AGENT, "t", temporary_ttl=None)
    ensure_session(protocol.store, AGENT, "s", temporary_ttl=None)
    assert [protocol.session(name)["temporary"] for name in "ts"] == [True, False]
    assert (protocol.session("t")["expires_at"] - protocol.session("t")["created_at"]).total_seconds() == 60


def test_metadata_is_of_one_session(protocol, engine, session):
    protocol.accept(new("other"))
    assert queries.set_metadata(engine, AGENT, "s", {"a": "ä"})
    assert not queries.set_metadata(engine, AGENT, "nobody", {})
    assert not queries.set_metadata(engine, "other", "s", {})
    assert [protocol.session(name)["metadata"] for name in ("s", "other")] == [{"a": "ä"}, {}]


def test_an_interaction_belongs_to_its_agent(engine, session):
    found = queries.get_interaction(engine, session[0], AGENT)
    assert found is not None
    assert (found.status, found.result, found.attempts) == ("done", {"value": 1}, 1)
    assert queries.get_interaction(engine, session[0], "other") is None
    assert queries.get_interaction(engine, new().id, AGENT) is None


def test_interactions_are_paged_in_the_order_of_acceptance(engine, session):
    first = queries.list_interactions(engine, AGENT, "s", after=0, limit=2)
    rest = queries.list_interactions(engine, AGENT, "s", after=first[-1].seq, limit=2)
    assert [str(row.id) for row in [*first, *rest]] == session
    assert queries.list_interactions(engine, "other", "s", after=0, limit=2) == []


def test_messages_begin_where_the_transcript_does(protocol, engine, session):
    def contents(**page):
        return [row.content for row in queries.list_messages(engine, AGENT, "s", **{"after": -1, "limit": 9, **page})]

    assert contents() == ["a", "b"]
    assert (contents(limit=1), contents(after=0)) == (["a"], ["b"])
    protocol.query("update sessions set history_start = 1")
    assert contents() == ["b"]
