"""Outgoing events on a front and workers, to a system elsewhere: what a turn emitted comes, once it is committed."""

from uuid import UUID

from pumice.sessions import outgoing_endpoints as endpoints
from tests.support.client import new_session
from tests.support.control import accept
from tests.support.gates import Gate
from tests.support.outgoing import attempted, delivered, deliveries, due_now, endpoint, status
from tests.support.receiver import Reply, Stall
from tests.support.waiting import wait_until


def test_an_event_of_a_committed_turn_comes_once_and_signed(outgoing, sender, shop, store, elsewhere):
    _, secret = endpoint(store, elsewhere.url("/all"))
    session = new_session()
    event = shop.reply("emit order.shipped p 7", session)
    [got] = elsewhere.waited("/all")
    delivered(outgoing, event)
    assert got.id == event
    assert UUID(event).version == 7
    document = got.verified(secret)
    assert document | {"timestamp": ""} == {
        "type": "order.shipped",
        "timestamp": "",
        "data": {"order": "p 7", "number": 1},
    }
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"].startswith("Pumice/")
    assert len(elsewhere.at("/all")) == 1


def test_a_thin_event_says_where_its_data_is(outgoing, sender, shop, store, elsewhere):
    _, secret = endpoint(store, elsewhere.url("/thin"), thin=True)
    session = new_session()
    event = shop.reply("emit order.shipped p 7", session)
    [got] = elsewhere.waited("/thin")
    assert got.verified(secret)["data"] == {"id": event, "sessionId": session, "agentId": "shop"}


def test_a_failed_turn_emits_nothing(outgoing, sender, shop, store, elsewhere):
    endpoint(store, elsewhere.url("/all"))
    assert shop.chat("fail order.shipped", new_session()).status_code == 500
    assert outgoing.query("select id from outgoing_events") == []
    assert elsewhere.got == []


def test_a_quiet_fork_notes_what_it_would_emit(outgoing, sender, shop, store, elsewhere):
    endpoint(store, elsewhere.url("/all"))
    session = new_session()
    event = shop.reply("emit order.shipped p", session)
    elsewhere.waited("/all")
    quiet = shop.sessions(f"/{session}/fork", "POST", json={"quiet": True}).json()["sessionId"]
    answer = shop.chat("emit order.shipped q", quiet).json()
    assert shop.interaction(answer["interactionId"], secret=True).json()["effects"] == [
        {"kind": "emit", "type": "order.shipped", "data": {"order": "q", "number": 2}}
    ]
    delivered(outgoing, event)
    assert [str(row["id"]) for row in outgoing.query("select id from outgoing_events")] == [event]


def test_a_hook_emits_too_and_several_events_of_a_turn_all_come(outgoing, sender, shop, store, elsewhere):
    endpoint(store, elsewhere.url("/all"))
    placed = shop.hook("order", json={"total": 12.50, "id": "\x00"}).json()["event"]
    both = shop.reply("twice order.paid", new_session()).split()
    got = elsewhere.waited("/all", 3)
    assert {one.id for one in got} == {placed, *both}
    data = {one.id: one.document["data"] for one in got}
    assert data == {placed: {"total": 12.50, "id": "\x00"}, both[0]: 1, both[1]: 2}


def test_endpoints_get_the_types_that_they_take_and_only_their_agents(outgoing, sender, shop, store, elsewhere):
    endpoint(store, elsewhere.url("/orders"), "order.*")
    endpoint(store, elsewhere.url("/exact"), "a_b", "invoice.paid")
    endpoint(store, elsewhere.url("/other"), agent="other")
    order, invoice, alike = (shop.reply(f"emit {one}", new_session()) for one in ("order.x", "invoice.paid", "aXb"))
    elsewhere.waited("/orders")
    elsewhere.waited("/exact")
    wait_until(
        lambda: outgoing.query("select 1 from outgoing_events where not fanned") == [], 10, "all to be fanned out"
    )
    assert status(outgoing, alike) == []
    delivered(outgoing, order)
    delivered(outgoing, invoice)
    assert [[one.id for one in elsewhere.at(path)] for path in ("/orders", "/exact", "/other")] == [
        [order],
        [invoice],
        [],
    ]


def test_a_hanging_endpoint_delays_neither_turns_nor_others(outgoing, sender, shop, store, elsewhere):
    stall = Stall()
    hanging = Reply(before=stall.wait)
    elsewhere.will("/hanging", *[hanging] * 100)
    endpoint(store, elsewhere.url("/hanging"), "slow")
    endpoint(store, elsewhere.url("/quick"), "quick")
    for number in range(12):
        shop.reply("emit slow", f"hanging-{number}")
    elsewhere.waited("/hanging", 4)
    quick = [shop.reply("emit quick", new_session()) for _ in range(5)]
    assert {one.id for one in elsewhere.waited("/quick", 5)} == set(quick)
    assert len(elsewhere.at("/hanging")) == 4
    assert shop.reply("hello", new_session()) == "hello"
    stall.end()


def test_it_leaves_with_the_commit_and_not_before(outgoing, sender, shop, store, elsewhere, tmp_path):
    endpoint(store, elsewhere.url("/all"))
    gate = Gate(tmp_path)
    waiting = accept(shop, f"wait {gate} order.shipped", new_session())
    gate.reached()
    other = shop.reply("emit order.paid", new_session())
    assert [one.id for one in elsewhere.waited("/all")] == [other]
    gate.open()
    assert shop.finished(waiting)["status"] == "done"
    elsewhere.waited("/all", 2)


def test_a_failed_delivery_is_tried_again_later(outgoing, sender, shop, store, elsewhere):
    made, secret = endpoint(store, elsewhere.url("/all"))
    elsewhere.will("/all", Reply(500, body=b"no\x00\nroom"), Reply(302, {"location": elsewhere.url("/elsewhere")}))
    event = shop.reply("emit order.shipped", new_session())
    elsewhere.waited("/all")
    row = wait_until(
        lambda: next((row for row in deliveries(outgoing, event) if row["attempts"]), None), 10, "a record"
    )
    assert row is not None
    assert (row["status"], row["last_status"], row["last_error"]) == ("pending", 500, "it answered 500: no  room")
    [failing] = outgoing.query(
        "select failing_since, next_at - now() < '7 seconds' as soon from outgoing_endpoints e "
        "join outgoing_deliveries d on d.endpoint_id = e.id"
    )
    assert failing["failing_since"] is not None
    assert failing["soon"]
    due_now(outgoing)
    elsewhere.waited("/all", 2)
    attempted(outgoing, event, 2)
    due_now(outgoing)
    got = elsewhere.waited("/all", 3)
    delivered(outgoing, event)
    assert elsewhere.at("/elsewhere") == []
    assert {one.id for one in got} == {event}
    assert [one["status"] for one in deliveries(outgoing, event)[0]["tries"]] == [500, 302, 200]
    assert endpoints.read(store, "shop", made).failing_since is None
    for one in got:
        one.verified(secret)


def test_a_worker_of_all_queues_sends_what_it_commits_at_once(outgoing, shop, store, elsewhere):
    _, secret = endpoint(store, elsewhere.url("/all"))
    for pool in ("threads", "prefork"):
        with outgoing.worker(WORKER_QUEUES="chat,hooks,jobs,outgoing", WORKER_POOL=pool, WORKER_CONCURRENCY="2"):
            before = len(elsewhere.got)
            events = {shop.reply("emit order.shipped", new_session()) for _ in range(20)}
            got = elsewhere.waited("/all", before + 20)[before:]
            assert {one.id for one in got} == events
            assert len(got) == 20
            for one in got:
                one.verified(secret)


def test_agents_that_hang_leave_room_for_others(outgoing, sender, shop, store, elsewhere):
    stall = Stall()
    for number in range(60):
        path = f"/hanging/{number}"
        elsewhere.will(path, *[Reply(before=stall.wait)] * 20)
        endpoint(store, elsewhere.url(path), agent="other")
    other = outgoing.agent("other")
    for _ in range(4):
        other.reply("emit order.shipped", new_session())
    wait_until(lambda: len(elsewhere.got) >= 20, 20, "many that hang")
    endpoint(store, elsewhere.url("/quick"))
    event = shop.reply("emit order.shipped", new_session())
    [got] = elsewhere.waited("/quick", timeout=5)
    assert got.id == event
    assert len(elsewhere.got) < 60
    stall.end()
