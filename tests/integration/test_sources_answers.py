"""Hooks with sources: what shares an address, what is filtered, and answers as senders want them."""

import json
import time
import uuid

import pytest
from werkzeug.datastructures import Headers

from pumice.agents.requests import Request
from pumice.agents.sources import Received
from tests.support.senders import SENDERS, Delivering, Keys


@pytest.fixture
def deliver(senders, sender_keys):
    """Sends a sender's delivery of this body to a hook of the agent `shared`."""

    def send(hook, name, value, headers=(), **options):
        one = Delivering(senders.url, "shared", hook, SENDERS[name], sender_keys[name][0])
        path = f"/v1/agents/shared/hooks/{hook}"
        sample = SENDERS[name].source.sample.request(path, time.time())
        for header, text in dict(headers).items():
            sample.headers[header] = text
        request = Request("POST", path, headers=sample.headers, body=json.dumps(value).encode())
        signed = one.sender.source.scheme.sign(Received(request, one.url + path, time.time()), one.keys.signing)
        status, answer_headers, body = one.send(signed)
        return status, answer_headers, json.loads(body) if body else None

    return send


def event(kind, customer):
    return {"id": f"evt_{uuid.uuid4().hex}", "type": kind, "data": {"object": {"customer": customer}}}


def test_methods_share_an_address_by_event_the_most_exact_first(deliver, senders):
    customer = uuid.uuid4().hex
    assert deliver("billing", "stripe", event("invoice.paid", customer))[2] == {"by": "paid"}
    assert deliver("billing", "stripe", event("invoice.voided", customer))[2] == {"by": "invoice"}
    assert senders.agent("shared").state(customer) == {"paid": 1, "other": 1, "rest": 0}


def test_what_no_method_takes_is_answered_200_without_a_turn(deliver, senders):
    customer = uuid.uuid4().hex
    assert deliver("billing", "stripe", event("charge.refunded", customer))[::2] == (
        200,
        {"ignored": "charge.refunded"},
    )
    count = "select count(*) as n from sessions where agent_id = 'shared' and id = %s"
    assert senders.query(count, customer) == [{"n": 0}]


def test_one_id_at_a_shared_address_is_one_delivery(deliver, senders):
    customer = uuid.uuid4().hex
    sent = event("invoice.paid", customer)
    assert [deliver("billing", "stripe", sent)[2] for _ in range(2)] == [{"by": "paid"}] * 2
    assert senders.agent("shared").state(customer)["paid"] == 1


def test_late_events_are_marked_in_the_order_of_their_own_times(deliver, senders):
    customer = uuid.uuid4().hex
    at = [event("invoice.paid", customer) | {"created": second} for second in (100, 300, 200, 300, 400)]
    answers = [deliver("ordered", "stripe", one)[2] for one in at]
    assert [one["stale"] for one in answers] == [False, False, True, False, False]
    assert deliver("ordered", "stripe", at[2])[2] == {"stale": True}
    assert deliver("ordered", "stripe", at[0])[2] == {"stale": False}
    assert deliver("ordered", "stripe", event("invoice.paid", uuid.uuid4().hex) | {"created": 1})[2] == {"stale": False}
    assert senders.agent("shared").state(customer)["rest"] == 4


@pytest.mark.parametrize("time_", [None, "soon", "1e400", {"a": 1}, -5, "2026-01-01T00:00:00Z"])
def test_times_that_are_odd_stop_nothing(deliver, time_):
    sent = event("invoice.paid", uuid.uuid4().hex) | {"created": time_}
    assert deliver("ordered", "stripe", sent)[0] == 200


def test_events_with_slashes(deliver):
    order = {"customer": {"id": uuid.uuid4().hex}}
    assert deliver("orders", "shopify", order)[::2] == (200, {"event": "orders/create"})
    found = deliver("orders", "shopify", order, {"X-Shopify-Topic": "products/update", "X-Shopify-Webhook-Id": "7"})
    assert found[::2] == (200, {"ignored": "products/update"})


def slack(**members):
    return {"type": "event_callback", "event_id": uuid.uuid4().hex, "event": {"type": "message"}} | members


def test_a_sender_in_a_hurry_is_answered_before_its_time_is_over(deliver):
    begun = time.monotonic()
    status, headers, _ = deliver("late", "slack", slack())
    assert (status, "location" in headers) == (200, True)
    assert time.monotonic() - begun < (SENDERS["slack"].source.within or 0)


def test_accepted_at_once_is_200_for_senders_that_know_nothing_else(deliver):
    assert deliver("at-once", "slack", slack())[0] == 200
    assert deliver("plain-200", "github", {})[0] == 200


def test_nothing_returned_is_200_for_senders_that_know_nothing_else(deliver):
    assert deliver("nothing", "slack", slack())[0] == 200


@pytest.mark.parametrize(("hook", "variable"), [("unset", "NOBODY_SET_THIS"), ("wrong", "A_WRONG_SECRET")])
def test_without_a_secret_that_can_be_used_nothing_is_let_in(deliver, hook, variable):
    status, headers, problem = deliver(hook, "github", {}, {"X-Signature": "x"})
    assert (status, problem["type"]) == (503, "urn:pumice:problem:secret-missing")
    assert (variable in problem["detail"], headers["retry-after"]) == (True, "60")


@pytest.mark.parametrize("origin", ["a\x85b", "<x>", "x" * 300])
def test_an_odd_origin_is_not_allowed_by_name(senders, origin):
    one = Delivering(senders.url, "shared", "put", SENDERS["github"], Keys("", ""))
    path = "/v1/agents/shared/hooks/put"
    status, headers, _ = one.send(Request("OPTIONS", path, headers=Headers({"WebHook-Request-Origin": origin})))
    assert (status, "webhook-allowed-origin" in headers) == (200, False)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_any_method_that_is_declared_is_taken(senders, method):
    answer = senders.agent("shared").http.request(method, f"{senders.url}/v1/agents/shared/hooks/put")
    assert (answer.status_code, answer.json()) == (200, {"method": method})
    assert senders.agent("shared").http.post(f"{senders.url}/v1/agents/shared/hooks/put").status_code == 405
