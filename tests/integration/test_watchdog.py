"""A front that can't deliver says so: `/readyz` is red, and a line in the log says why."""

import logging
import threading

from pumice.messaging.events import Event, EventPublisher
from pumice.web.factory import create_app
from pumice.web.http.front import make_front
from pumice.web.http.watchdog import STUCK
from tests.support.waiting import wait_until


def test_a_stuck_subscriber_turns_readyz_red(settings, caplog):
    front = make_front(settings)
    client = create_app(settings, front).test_client()
    publisher = EventPublisher(settings)
    wait_until(lambda: front.subscriber.live, 10, "the subscription")
    assert client.get("/readyz").status_code == 200
    reached, go_on = threading.Event(), threading.Event()

    def deliver(_event_id: str, _event: bytes) -> None:
        reached.set()
        go_on.wait(60)

    watch = front.subscriber.watch("a", "s", deliver, lambda: None)
    list(watch.missed(None))
    with caplog.at_level(logging.ERROR):
        publisher.publish(Event("a", "s", "data", {"data": 1}))
        assert reached.wait(10)
        wait_until(lambda: client.get("/readyz").status_code == 503, STUCK + 10, "a red readyz")
        assert b"urn:pumice:problem:cannot-deliver" in client.get("/readyz").data
        wait_until(lambda: "delivery_stuck" in caplog.text, 10, "the watchdog's line")
        assert b"pumice_front_stuck 1.0" in client.get("/metrics").data
    go_on.set()
    wait_until(lambda: client.get("/readyz").status_code == 200, 10, "a green readyz")
    front.subscriber.forget(watch)
    publisher.stop()


def test_a_stream_that_fails_at_an_event_holds_up_no_other(settings):
    front = make_front(settings)
    publisher = EventPublisher(settings)
    wait_until(lambda: front.subscriber.live, 10, "the subscription")
    got: list[bytes] = []
    broken = threading.Event()

    def fails(_event_id: str, _event: bytes) -> None:
        raise ValueError

    watches = [
        front.subscriber.watch("a", "s", fails, broken.set),
        front.subscriber.watch("a", "s", lambda _, event: got.append(event), lambda: None),
    ]
    for watch in watches:
        list(watch.missed(None))
    for number in range(3):
        publisher.publish(Event("a", "s", "data", {"data": number}))
    wait_until(lambda: len(got) == 3, 10, "the events")
    assert broken.is_set()
    assert front.subscriber.live
    assert front.subscriber.watches == 1
    publisher.stop()
