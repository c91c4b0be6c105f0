"""The steps of outgoing events on Postgres, without processes: fan out, claim, record, sweep."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from uuid import UUID

import pytest
import uuid_utils

from pumice.agents.context import new_id
from pumice.agents.outgoing import EndpointChange, NewEndpoint, OutgoingEvent
from pumice.sessions import outgoing_endpoints as endpoints
from pumice.sessions import outgoing_events as events
from pumice.sessions import outgoing_steps as steps
from pumice.sessions.connections import StoreConnection
from pumice.sessions.outgoing_steps import Claimed, Recorded
from tests.support.protocol import AGENT, Protocol, done, new, part

URL = "https://example.com/"
DAY = 86_400.0


@pytest.fixture
def store(protocol: Protocol) -> StoreConnection:
    return protocol.store


def endpoint(store: StoreConnection, agent: str = AGENT, *types: str) -> str:
    return endpoints.create(store, agent, NewEndpoint(URL, types or ("*",)))[0].id


def emitted(store: StoreConnection, count: int = 1, *, agent: str = AGENT, age: float = 0.0) -> list[str]:
    """Events as a commit leaves them, so many seconds old."""
    ids = []
    for _ in range(count):
        at = UUID(str(uuid_utils.uuid7())).int - (int(age * 1000) << 80)
        ids.append(str(UUID(int=at)))
        store.connection.execute(
            "insert into outgoing_events (id, agent_id, session_id, interaction_id, type, payload) "
            "values (%s, %s, 's', %s, 'order.shipped', '1')",
            (ids[-1], agent, new_id()),
        )
    return ids


def claimed(store: StoreConnection, most: int = 100) -> list[Claimed]:
    return steps.claim(store, {one: most for one, _ in steps.ready(store)})


def result(one: Claimed, **fields) -> Recorded:
    return Recorded(event_id=one.event_id, endpoint_id=one.endpoint_id, claims=one.claims, tried={"at": ""}, **fields)


def statuses(store: StoreConnection) -> dict[str, tuple[str, int]]:
    rows = store.connection.execute("select event_id::text, status, attempts from outgoing_deliveries").fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def over(store: StoreConnection) -> None:
    """The leases' end."""
    store.connection.execute("update outgoing_deliveries set next_at = now(), claimed_until = now()")


def test_a_commit_writes_events_of_the_turns_that_it_saves(protocol):
    protocol.accept(new(), new("t"))
    one, other = protocol.claim("s", "t")
    outcomes = [done(each.work[0]) for each in (one, other)]
    for outcome, kind in zip(outcomes, ("order.kept", "order.lost"), strict=True):
        outcome.emitted = [OutgoingEvent(new_id(), kind, '{"a": 12.50}')]
    parts = [part(each, outcome) for each, outcome in zip((one, other), outcomes, strict=True)]
    protocol.query("update sessions set lease_token = 0 where id = 't'")
    assert protocol.commit(*parts) == {parts[0].lease}
    found = protocol.store.connection.execute(
        "select type, payload::text, session_id, interaction_id::text, fanned from outgoing_events"
    ).fetchall()
    assert found == [("order.kept", '{"a": 12.50}', "s", one.work[0].id, False)]


def test_each_event_gets_a_delivery_for_each_endpoint_once(protocol, store):
    made = {endpoint(store), endpoint(store, AGENT, "order.*")}
    endpoint(store, AGENT, "invoice.*")
    endpoint(store, "other")
    [event] = emitted(store)
    assert steps.fan_out(store)
    assert not steps.fan_out(store)
    ways = events.deliveries(store, [event])[event]
    assert {one.endpoint_id for one in ways} == made


def test_two_workers_claim_different_deliveries_and_an_endpoint_gets_four_at_once(protocol, store):
    endpoint(store)
    emitted(store, 20)
    steps.fan_out(store)

    def work() -> list[Claimed]:
        with closing(StoreConnection(protocol.settings)) as own:
            return claimed(own)

    with ThreadPoolExecutor(4) as pool:
        found = [one for future in [pool.submit(work) for _ in range(4)] for one in future.result()]
    assert len({one.event_id for one in found}) == len(found)
    assert len(found) >= steps.EACH
    assert claimed(store) == []
    steps.record(store, [result(one, is_delivered=True) for one in found])
    assert len(claimed(store)) == steps.EACH


def test_an_endpoint_that_fails_gets_one_at_a_time(protocol, store):
    made = endpoint(store)
    emitted(store, 10)
    steps.fan_out(store)
    steps.record(store, [result(one, delay=60.0, error="no") for one in claimed(store)])
    assert endpoints.read(store, AGENT, made).failing_since is not None
    [one] = claimed(store)
    assert claimed(store) == []
    steps.record(store, [result(one, is_delivered=True)])
    assert endpoints.read(store, AGENT, made).failing_since is None
    assert len(claimed(store)) == steps.EACH


def test_what_a_lease_that_is_over_came_to_is_not_recorded(protocol, store):
    endpoint(store)
    [event] = emitted(store)
    steps.fan_out(store)
    [first] = claimed(store)
    assert claimed(store) == []
    over(store)
    [second] = claimed(store)
    assert (second.event_id, second.claims) == (event, first.claims + 1)
    steps.record(store, [result(first, delay=None, error="too late")])
    steps.release(store, [first])
    assert statuses(store) == {event: ("pending", 0)}
    assert claimed(store) == []
    steps.record(store, [result(second, delay=0.0, error="no")])
    steps.record(store, [result(second, delay=0.0, error="no")])  # the connection was lost, and it is done again
    assert statuses(store) == {event: ("pending", 1)}
    [third] = claimed(store)
    steps.release(store, [third])
    [fourth] = claimed(store)
    steps.record(store, [result(fourth, is_delivered=True)])
    assert statuses(store) == {event: ("delivered", 2)}


def test_what_is_sent_again_meanwhile_is_sent_again(protocol, store):
    made = endpoint(store)
    [event] = emitted(store)
    steps.fan_out(store)
    [one] = claimed(store)
    assert events.resend(store, AGENT, event, made) == [made]
    steps.record(store, [result(one, delay=None)])
    assert statuses(store) == {event: ("pending", 0)}
    [again] = claimed(store)
    assert again.event_id == event


def test_endpoints_are_looked_at_in_turn_and_full_agents_left_out(protocol, store, monkeypatch):
    monkeypatch.setattr(steps, "BATCH", 3)
    made = sorted([*(endpoint(store) for _ in range(4)), endpoint(store, "other")])
    emitted(store)
    emitted(store, agent="other")
    while steps.fan_out(store):
        pass
    page = [one for one, _ in steps.ready(store)]
    assert page == made[:3]
    assert [one for one, _ in steps.ready(store, after=page[-1])] == made[3:]
    assert [agent for _, agent in steps.ready(store, full=[AGENT])] == ["other"]


def test_a_paused_or_removed_endpoint_gets_nothing_and_what_it_leaves_goes(protocol, store):
    paused, removed = endpoint(store), endpoint(store)
    emitted(store, 3)
    steps.fan_out(store)
    endpoints.change(store, AGENT, paused, EndpointChange(status="paused"))
    endpoints.delete(store, AGENT, removed)
    assert steps.ready(store) == []
    assert steps.claim(store, {paused: 4, removed: 4}) == []
    with store.transaction() as transaction:
        assert endpoints.sweep_endpoints(transaction) == (4, False)
    left = store.connection.execute("select id::text from outgoing_endpoints").fetchall()
    assert left == [(paused,)]
    endpoints.change(store, AGENT, paused, EndpointChange(status="active"))
    assert len(claimed(store)) == 3


def test_old_events_go_unless_they_wait_for_an_active_endpoint(protocol, store):
    active, paused = endpoint(store), endpoint(store)
    sent, waits, stopped = emitted(store, 3, age=2 * DAY)
    [young] = emitted(store)
    unseen = emitted(store, age=2 * DAY, agent="other")
    store.connection.execute("update outgoing_events set fanned = agent_id <> 'other'")
    for event, where, status in ((sent, active, "failed"), (waits, active, "pending"), (stopped, paused, "pending")):
        store.connection.execute(
            "insert into outgoing_deliveries (event_id, endpoint_id, agent_id, status) values (%s, %s, %s, %s)",
            (event, where, AGENT, status),
        )
    endpoints.change(store, AGENT, paused, EndpointChange(status="paused"))
    with store.transaction() as transaction:
        assert events.sweep_events(transaction, DAY) == (2, False)
    left = store.connection.execute("select id::text from outgoing_events").fetchall()
    assert {row[0] for row in left} == {waits, young, *unseen}


def test_erasing_takes_events_and_deliveries(protocol, store):
    endpoint(store)
    emitted(store, 2)
    steps.fan_out(store)
    with store.transaction() as transaction:
        assert events.forget_events(transaction, AGENT, ["other"]) == 0
        assert events.forget_events(transaction, AGENT, ["s"]) == 2
    assert statuses(store) == {}
