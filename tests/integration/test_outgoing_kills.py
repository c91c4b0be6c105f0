"""What becomes of outgoing events when the worker that sends them is killed, at each step, or stops."""

import signal
import socket
import threading
from functools import partial

import psycopg
import pytest

from tests.support.client import new_session
from tests.support.outgoing import ONLY_SENDING, delivered, deliveries, due_now, endpoint, killed, lives, status
from tests.support.processes import free_port
from tests.support.receiver import Receiver, Reply, Stall, receiving
from tests.support.waiting import wait_until

pytestmark = pytest.mark.faults

MANY = 60


def test_killed_before_it_fans_out_and_before_it_claims(outgoing, shop, store, elsewhere):
    made, secret = endpoint(store, elsewhere.url("/all"))
    event = shop.reply("emit order.shipped", new_session())
    with psycopg.connect(outgoing.database_url) as holder:
        holder.execute("select 1 from outgoing_endpoints where id = %s for update", (made,))
        with outgoing.worker(**ONLY_SENDING) as worker:
            blocked = (
                "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%%fan_out_events%%'"
            )
            wait_until(lambda: outgoing.query(blocked), 20, "a worker that fans out")
            killed(worker)
        outgoing.query(blocked.replace("select 1", "select pg_terminate_backend(pid)"))
    assert status(outgoing, event) == []
    with psycopg.connect(outgoing.database_url) as holder:
        holder.execute("select 1 from outgoing_endpoints where id = %s for no key update", (made,))
        with outgoing.worker(**ONLY_SENDING) as worker:
            wait_until(lambda: status(outgoing, event) == ["pending"], 20, "a worker that fans out")
            killed(worker)
    assert elsewhere.got == []
    with outgoing.worker(**ONLY_SENDING):
        [got] = elsewhere.waited("/all")
        delivered(outgoing, event)
    assert (got.id, len(elsewhere.got)) == (event, 1)
    got.verified(secret)


@pytest.mark.faults
def test_killed_between_claim_and_send(outgoing, shop, store):
    port = free_port()
    with socket.socket() as deaf:  # takes no connection: its queue is full
        deaf.bind(("127.0.0.1", port))
        deaf.listen(0)
        with socket.create_connection(("127.0.0.1", port)):
            _, secret = endpoint(store, f"http://127.0.0.1:{port}/all")
            event = shop.reply("emit order.shipped", new_session())
            with outgoing.worker(**ONLY_SENDING) as worker:
                claimed = "select 1 from outgoing_deliveries where event_id = %s and claimed_until > now()"
                wait_until(lambda: outgoing.query(claimed, event), 20, "the claim")
                killed(worker)
    assert deliveries(outgoing, event)[0]["attempts"] == 0
    with receiving(port) as elsewhere, outgoing.worker(**ONLY_SENDING):
        [got] = elsewhere.waited("/all", timeout=45)  # once the lease of the killed worker is over
        delivered(outgoing, event)
        assert (got.id, len(elsewhere.got)) == (event, 1)
        got.verified(secret)


def test_killed_between_send_and_record(outgoing, shop, store, elsewhere):
    _, secret = endpoint(store, elsewhere.url("/all"))
    event = shop.reply("emit order.shipped", new_session())
    with outgoing.worker(**ONLY_SENDING) as worker:
        elsewhere.will("/all", Reply(before=lambda: killed(worker)))
        elsewhere.waited("/all")
        wait_until(lambda: not lives(worker), 20, "the kill")
    assert status(outgoing, event) == ["pending"]
    due_now(outgoing)
    with outgoing.worker(**ONLY_SENDING):
        got = elsewhere.waited("/all", 2)
        delivered(outgoing, event)
    assert {one.id for one in got} == {event}
    assert len(elsewhere.got) == 2
    for one in got:
        one.verified(secret)


def test_a_worker_that_stops_gives_back_what_has_not_ended(outgoing, shop, store, elsewhere):
    endpoint(store, elsewhere.url("/all"))
    waiting = Stall()
    elsewhere.will("/all", Reply(before=waiting.wait))
    event = shop.reply("emit order.shipped", new_session())
    with outgoing.worker(**ONLY_SENDING) as worker:
        elsewhere.waited("/all")
        worker.send(signal.SIGTERM)
        worker.wait_ended()
    [row] = deliveries(outgoing, event)
    assert (row["status"], row["attempts"], row["claimed_until"]) == ("pending", 0, None)
    waiting.end()


@pytest.mark.faults
@pytest.mark.slow
def test_killed_again_and_again_nothing_is_lost_or_unsigned(outgoing, shop, store, elsewhere):
    paths = {f"/{number}": endpoint(store, elsewhere.url(f"/{number}"))[1] for number in range(8)}
    slowly = [Reply(before=lambda: threading.Event().wait(0.05))] * MANY * 4
    for path in paths:
        elsewhere.will(path, *slowly)
    events = {shop.reply("emit order.shipped", f"many-{number % 7}") for number in range(MANY)}
    for round_ in range(1, 5):
        with outgoing.worker(**ONLY_SENDING) as worker:
            wait_until(partial(_has_more_than, elsewhere, MANY * round_), 60, "some deliveries")
            killed(worker)
    with outgoing.worker(**ONLY_SENDING):
        left = "select 1 from outgoing_deliveries where status <> 'delivered' union all "
        left += "select 1 from outgoing_events where not fanned"
        wait_until(lambda: not outgoing.query(left), 90, "the end of all deliveries")
    for path, secret in paths.items():
        got = elsewhere.at(path)
        assert {one.id for one in got} == events
        assert len(got) < MANY * 1.5
        for one in got:
            one.verified(secret)


def _has_more_than(elsewhere: Receiver, count: int) -> bool:
    return len(elsewhere.got) > count
