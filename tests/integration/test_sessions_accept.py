"""Accept: durable, in order, and recognised if it came before."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pumice.sessions.accept import Accepted, accept
from pumice.sessions.connections import StoreConnection
from pumice.sessions.queue_lengths import AGENT_QUEUE, SESSION_QUEUE
from tests.support.protocol import AGENT, DAY, new

RELAXED = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_an_interaction_is_accepted_with_its_session(protocol):
    wanted = new(payload='{"a": [1]}', body=b"\x00\xff", reply_to="front", name="order")
    assert protocol.accept(wanted) == [Accepted(wanted.id, "s")]
    (row,) = protocol.interactions()
    assert (str(row["id"]), row["kind"], row["name"], row["status"]) == (wanted.id, "hook", "order", "queued")
    assert (row["payload"], bytes(row["body"]), row["reply_to"], row["attempts"]) == (
        {"a": [1]},
        b"\x00\xff",
        "front",
        0,
    )
    assert row["wake_at"] - row["accepted_at"] == timedelta(seconds=5)
    session = protocol.session()
    assert (session["state"], session["temporary"], session["expires_at"]) == (None, False, None)


def test_a_batch_keeps_the_order_of_each_session(protocol):
    wanted = [new(session) for session in "babcab"]
    assert [one.id for one in protocol.accept(*wanted)] == [one.id for one in wanted]
    for session in "abc":
        expected = [one.id for one in wanted if one.session_id == session]
        assert [str(row["id"]) for row in protocol.interactions(session)] == expected


def test_temporary_sessions_get_an_end(protocol):
    protocol.accept(new("t", temporary=True), new("both", temporary=True), new("both"))
    session = protocol.session("t")
    assert session["temporary"]
    assert session["expires_at"] - session["created_at"] == timedelta(seconds=60)
    assert not protocol.session("both")["temporary"]


def test_a_session_that_exists_stays_as_it_is(protocol):
    protocol.accept(new("t", temporary=True))
    protocol.query("update sessions set state = '{\"a\": 1}'")
    before = protocol.session("t")
    protocol.accept(new("t"))
    assert protocol.session("t") == before


def test_a_repeat_after_a_lost_connection_is_not_a_duplicate(protocol):
    wanted = [new(), new(key="k")]
    first = protocol.accept(*wanted)
    assert protocol.accept(*wanted) == first
    assert not any(one.duplicate for one in first)
    assert len(protocol.interactions()) == 2


def test_a_known_delivery_gives_the_first(protocol):
    first, again = new(key="k"), new(key="k")
    protocol.accept(first)
    assert protocol.accept(again) == [Accepted(first.id, "s", duplicate=True)]
    assert len(protocol.interactions()) == 1


def test_a_delivery_that_comes_twice_in_one_batch(protocol):
    twins = [new(key="k") for _ in range(3)]
    accepted = protocol.accept(*twins)
    assert {one.id for one in accepted} == {twins[0].id}
    assert sorted(one.duplicate for one in accepted) == [False, True, True]


def test_a_key_belongs_to_its_agent_source_and_session(protocol):
    one = new(key="k")
    others = [replace(new(key="k"), agent_id="b"), replace(new(key="k"), dedupe=("chat", "k")), new("t", key="k")]
    assert not any(accepted.duplicate for accepted in protocol.accept(one, *others))


def test_a_key_is_forgotten_after_the_window(protocol):
    protocol.accept(new(key="k"))
    protocol.query("update interactions set accepted_at = now() - interval '2 days'")
    assert protocol.accept(new(key="k"), window=DAY)[0].duplicate, "what is not finished is not forgotten"
    protocol.query("update interactions set status = 'done', finished_at = now()")
    assert protocol.accept(new(key="k"), window=3 * DAY)[0].duplicate
    assert not protocol.accept(new(key="k"), window=DAY)[0].duplicate
    assert protocol.accept(new(key="k"), window=DAY)[0].duplicate


def test_fronts_side_by_side_do_not_deadlock_and_agree(protocol, rival):
    keys = [f"k{number}" for number in range(40)]
    batches = [[new(key, key=key) for key in order] for order in (keys, keys[::-1])]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda steps, batch: steps.accept(*batch), (protocol, rival), batches))
    by_key = [dict(zip(order, result, strict=True)) for order, result in zip((keys, keys[::-1]), results, strict=True)]
    assert {key: one.id for key, one in by_key[0].items()} == {key: one.id for key, one in by_key[1].items()}
    assert protocol.query("select count(*) as n from interactions")[0]["n"] == 40


@RELAXED
@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.sampled_from("xyz")), min_size=1), max_size=4)
)
def test_any_batches_accept_each_delivery_once(protocol, batches):
    protocol.empty()
    first: dict[tuple[str, str], str] = {}
    count = 0
    for batch in batches:
        wanted = [new(session, key=key) for session, key in batch]
        for one, accepted in zip(wanted, protocol.accept(*wanted), strict=True):
            key = one.dedupe[1] if one.dedupe else None
            assert accepted.id == (one.id if key is None else first.setdefault((one.session_id, key), accepted.id))
            assert accepted.duplicate == (accepted.id != one.id)
            count += not accepted.duplicate
    assert protocol.query("select count(*) as n from interactions")[0]["n"] == count


def test_a_queue_is_counted_by_the_clock(protocol):
    """A transaction that waited for the queue's lock counts what was accepted since it began."""
    key = {"agent": AGENT, "session": "s", "limit": 10}
    with protocol.store.transaction() as transaction:
        assert transaction.fetch(SESSION_QUEUE, key)[0].waiting == 0
        other = StoreConnection(protocol.settings)
        accept(other, [new("s")], temporary_ttl=60, window=60)
        other.close()
        assert transaction.fetch(SESSION_QUEUE, key)[0].waiting == 1
        assert transaction.fetch(AGENT_QUEUE, {"agent": AGENT, "limit": 10})[0].waiting == 1
