"""Managing endpoints and events through the API."""

import base64
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from tests.support.client import AgentClient, new_session
from tests.support.outgoing import attempted, delivered, deliveries, due_now, status
from tests.support.receiver import Reply
from tests.support.waiting import wait_until


def call(client: AgentClient, method: str, path: str, **body: Any) -> httpx.Response:
    address = f"/v1/agents/{client.id}/outgoing{path}"
    return client.http.request(
        method, address, headers=client.secret, json=body if method in {"POST", "PATCH"} else None
    )


def added(client: AgentClient, url: str, **options: Any) -> dict[str, Any]:
    answer = call(client, "POST", "/endpoints", url=url, **options)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    assert call(client, "GET", answer.headers["location"].rpartition("/outgoing")[2]).status_code == 200
    return document


def changed(client: AgentClient, endpoint: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = call(client, "PATCH", f"/endpoints/{endpoint['endpointId']}", **body)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_an_endpoint_is_added_read_changed_and_removed(outgoing, shop, elsewhere):
    made = added(shop, elsewhere.url("/a"), events=["order.*"])
    secret = made.pop("secret")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert made | {"createdAt": "", "endpointId": ""} == {
        "endpointId": "",
        "url": elsewhere.url("/a"),
        "events": ["order.*"],
        "thin": False,
        "status": "active",
        "reason": None,
        "failingSince": None,
        "rotatesUntil": None,
        "pending": 0,
        "createdAt": "",
    }
    path = f"/endpoints/{made['endpointId']}"
    assert call(shop, "GET", path).json() == made
    assert call(shop, "GET", "/endpoints").json() == {"endpoints": [made]}
    new = {"url": elsewhere.url("/b"), "events": ["*"], "thin": True}
    assert changed(shop, made, **new) == made | new
    assert changed(shop, made) == made | new
    other = outgoing.agent("other")
    for method, body in (("GET", {}), ("PATCH", new), ("DELETE", {})):
        assert call(other, method, path, **body).status_code == 404
    assert call(other, "POST", f"{path}/rotate").status_code == 404
    assert call(shop, "DELETE", path).status_code == 204
    assert [call(shop, method, path).status_code for method in ("GET", "DELETE")] == [404, 404]
    assert call(shop, "GET", "/endpoints").json() == {"endpoints": []}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": 7}, "url"),
        ({"url": "ftp://example.com"}, "url"),
        ({"url": "https://user:secret@example.com"}, "url"),
        ({"url": "https://example.com/#a"}, "url"),
        ({"url": "https://exa mple.com"}, "url"),
        ({"url": "https://example.com:99999/"}, "url"),
        ({"url": "https:///path"}, "url"),
        ({"url": "https://[::1/"}, "url"),
        ({"url": "https://example.com/\r\nx: y"}, "url"),
        ({"url": "https://10.0.0.1/"}, "url"),
        ({"url": "http://[::1]/"}, "url"),
        ({"url": "https://8.8.8.8/", "events": []}, "events"),
        ({"url": "http://169.254.169.254/latest/meta-data"}, "url"),
        ({"url": "http://2852039166/"}, "url"),
        ({"url": "http://8.8.8.8/"}, "url"),
        ({"url": "https://8.8.8.8/", "events": ["a b"]}, "events"),
        ({"url": "https://8.8.8.8/", "events": "order.*"}, "events"),
        ({"url": "https://8.8.8.8/", "events": ["a"] * 101}, "events"),
        ({"url": "https://8.8.8.8/", "thin": 1}, "thin"),
        ({"url": "https://8.8.8.8/", "secret": "mine"}, "secret"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_added(outgoing, shop, body, field):
    answer = call(shop, "POST", "/endpoints", **body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert call(shop, "GET", "/endpoints").json() == {"endpoints": []}


def test_a_wrong_change_changes_nothing(outgoing, shop, elsewhere):
    made = added(shop, elsewhere.url("/a"))
    path = f"/endpoints/{made['endpointId']}"
    for body in ({"status": "gone"}, {"url": "http://10.0.0.1/"}, {"events": None}, {"thin": None}, {"other": 1}):
        assert call(shop, "PATCH", path, **body).status_code == 422
    assert call(shop, "GET", path).json() == {key: value for key, value in made.items() if key != "secret"}


def test_an_agent_has_a_hundred_endpoints_at_most(outgoing, shop, elsewhere):
    for _ in range(100):
        added(shop, elsewhere.url("/a"))
    assert call(shop, "POST", "/endpoints", url=elsewhere.url("/a")).status_code == 409
    added(outgoing.agent("other"), elsewhere.url("/a"))


def test_the_public_key_manages_nothing(shop):
    for path in ("endpoints", "events"):
        assert shop.http.get(f"/v1/agents/shop/outgoing/{path}", headers=shop.public).status_code in {401, 403}


def test_what_comes_while_an_endpoint_is_paused_waits_for_it(outgoing, sender, shop, elsewhere):
    made = added(shop, elsewhere.url("/a"))
    other = added(shop, elsewhere.url("/b"))
    paused = changed(shop, made, status="paused")
    assert (paused["status"], paused["reason"]) == ("paused", "asked")
    event = shop.reply("emit order.shipped", new_session())
    elsewhere.waited("/b")
    wait_until(lambda: sorted(status(outgoing, event)) == ["delivered", "pending"], 10, "the other endpoint")
    assert elsewhere.at("/a") == []
    assert call(shop, "GET", f"/endpoints/{made['endpointId']}").json()["pending"] == 1
    assert changed(shop, made, status="active") | {"pending": 0} == {
        key: value for key, value in made.items() if key != "secret"
    }
    elsewhere.waited("/a")[0].verified(made["secret"])
    delivered(outgoing, event)
    assert elsewhere.at("/b")[0].verified(other["secret"])["type"] == "order.shipped"


def test_while_a_secret_is_rotated_both_sign(outgoing, sender, shop, elsewhere):
    made = added(shop, elsewhere.url("/a"))
    answer = call(shop, "POST", f"/endpoints/{made['endpointId']}/rotate")
    new = answer.json()["secret"]
    assert answer.json()["rotatesUntil"] is not None
    shop.reply("emit order.shipped", new_session())
    [both] = elsewhere.waited("/a")
    both.verified(made["secret"])
    both.verified(new)
    outgoing.query("update outgoing_endpoints set previous_until = now()")
    shop.reply("emit order.shipped", new_session())
    got = elsewhere.waited("/a", 2)[1]
    got.verified(new)
    with pytest.raises(WebhookVerificationError):
        got.verified(made["secret"])
    assert call(shop, "GET", f"/endpoints/{made['endpointId']}").json()["rotatesUntil"] is None


def test_an_endpoint_that_is_gone_is_paused_and_its_event_waits(outgoing, sender, shop, elsewhere):
    made = added(shop, elsewhere.url("/a"))
    elsewhere.will("/a", Reply(410))
    event = shop.reply("emit order.shipped", new_session())
    elsewhere.waited("/a")
    attempted(outgoing, event, 1)
    found = call(shop, "GET", f"/endpoints/{made['endpointId']}").json()
    assert (found["status"], found["reason"], found["pending"]) == ("paused", "gone", 1)
    changed(shop, made, status="active")
    elsewhere.waited("/a", 2)
    delivered(outgoing, event)


def test_an_endpoint_that_fails_for_five_days_is_paused(outgoing, sender, shop, elsewhere):
    made = added(shop, elsewhere.url("/a"))
    elsewhere.will("/a", *[Reply(500)] * 2)
    event = shop.reply("emit order.shipped", new_session())
    attempted(outgoing, event, 1)
    assert call(shop, "GET", f"/endpoints/{made['endpointId']}").json()["status"] == "active"
    outgoing.query("update outgoing_endpoints set failing_since = now() - interval '5 days'")
    due_now(outgoing)
    attempted(outgoing, event, 2)
    found = call(shop, "GET", f"/endpoints/{made['endpointId']}").json()
    assert (found["status"], found["reason"]) == ("paused", "failing")
    changed(shop, made, status="active")
    elsewhere.waited("/a", 3, timeout=15)  # at once, not half a minute after the second attempt
    delivered(outgoing, event)


def test_an_endpoint_that_asks_for_a_pause_gets_one(outgoing, sender, shop, elsewhere):
    added(shop, elsewhere.url("/a"))
    elsewhere.will("/a", Reply(429, {"retry-after": "3600"}))
    event = shop.reply("emit order.shipped", new_session())
    attempted(outgoing, event, 1)
    other = shop.reply("emit order.paid", new_session())
    wait_until(lambda: status(outgoing, other), 10, "its delivery")
    [row] = outgoing.query("select not_before - now() > '50 minutes' as holds from outgoing_endpoints")
    assert row["holds"]
    [row] = outgoing.query("select next_at - now() > '50 minutes' as waits from outgoing_deliveries where attempts = 1")
    assert row["waits"]
    due_now(outgoing)
    delivered(outgoing, event)
    delivered(outgoing, other)


def test_after_its_last_attempt_a_delivery_has_failed_and_can_be_sent_again(outgoing, sender, shop, elsewhere):
    made = added(shop, elsewhere.url("/a"))
    elsewhere.will("/a", Reply(500), Reply(503))
    event = shop.reply("emit order.shipped", new_session())
    attempted(outgoing, event, 1)
    outgoing.query("update outgoing_deliveries set attempts = 9, next_at = now()")
    attempted(outgoing, event, 10)
    assert status(outgoing, event) == ["failed"]
    assert [one["eventId"] for one in listed(shop, status="failed")] == [event]
    answer = call(shop, "POST", f"/events/{event}/resend", endpoint=made["endpointId"])
    assert (answer.status_code, answer.json()) == (202, {"eventId": event, "endpoints": [made["endpointId"]]})
    elsewhere.waited("/a", 3)
    delivered(outgoing, event)
    [way] = call(shop, "GET", f"/events/{event}").json()["deliveries"]
    assert (way["status"], way["attempts"], [one["status"] for one in way["tries"]]) == (
        "delivered",
        1,
        [500, 503, 200],
    )


def listed(client: AgentClient, **query: str) -> list[dict[str, Any]]:
    answer = client.http.get(f"/v1/agents/{client.id}/outgoing/events", headers=client.secret, params=query)
    assert answer.status_code == 200, answer.text
    events: list[dict[str, Any]] = answer.json()["events"]
    return events


def test_events_are_listed_read_and_sent_again_to_who_came_later(outgoing, sender, shop, elsewhere):
    session = new_session()
    first = shop.reply("emit order.placed p 1", session)
    wait_until(lambda: outgoing.query("select 1 from outgoing_events where not fanned") == [], 10, "to be fanned out")
    assert call(shop, "POST", f"/events/{first}/resend").status_code == 409
    made = added(shop, elsewhere.url("/a"), events=["order.paid"])
    second = shop.reply("emit order.paid", session)
    delivered(outgoing, second)
    assert [one["eventId"] for one in listed(shop)] == [second, first]
    assert [one["eventId"] for one in listed(shop, type="order.placed")] == [first]
    assert [one["eventId"] for one in listed(shop, endpoint=made["endpointId"])] == [second]
    assert [one["eventId"] for one in listed(shop, status="delivered")] == [second]
    assert listed(shop, status="pending") == listed(shop, since="2100-01-01T00:00:00Z") == []
    assert len(listed(shop, since="2020-01-01T00:00:00+01:00")) == 2
    page = shop.http.get(f"/v1/agents/{shop.id}/outgoing/events?limit=1", headers=shop.secret).json()
    assert [one["eventId"] for one in listed(shop, cursor=page["nextCursor"])] == [first]
    event = call(shop, "GET", f"/events/{first}").json()
    assert (event["sessionId"], event["data"]) == (session, {"order": "p 1", "number": 1})
    assert event["deliveries"] == []
    assert call(shop, "POST", f"/events/{first}/resend", endpoint=made["endpointId"]).status_code == 202
    elsewhere.waited("/a", 2)
    delivered(outgoing, first)
    other = outgoing.agent("other")
    assert listed(other) == []
    assert call(other, "GET", f"/events/{first}").status_code == 404
    assert call(other, "POST", f"/events/{first}/resend").status_code == 404
    strange = added(other, elsewhere.url("/b"))
    assert call(shop, "POST", f"/events/{first}/resend", endpoint=strange["endpointId"]).status_code == 404
    for body in ({"endpoint": 7}, {"to": 1}):
        assert call(shop, "POST", f"/events/{first}/resend", **body).status_code == 422
    for query in ({"type": "a b"}, {"endpoint": "x"}, {"status": "lost"}, {"since": "now"}, {"cursor": "x"}):
        answer = shop.http.get(f"/v1/agents/{shop.id}/outgoing/events", headers=shop.secret, params=query)
        assert answer.status_code == 422


def test_metrics_count_attempts_and_what_waits(outgoing, sender, shop, elsewhere):
    added(shop, elsewhere.url("/a"))
    elsewhere.will("/a", Reply(500))
    event = shop.reply("emit order.shipped", new_session())
    attempted(outgoing, event, 1)
    text = shop.http.get("/metrics").text
    assert 'pumice_outgoing_total{agent="shop",outcome="retried"}' in text
    assert 'pumice_outgoing_pending{agent="shop"} 1.0' in text


def test_an_erased_session_leaves_no_event_and_a_deleted_one_those_that_wait(outgoing, sender, shop, elsewhere):
    made = added(shop, elsewhere.url("/a"))
    deleted, erased = new_session(), new_session()
    sent = [shop.reply("emit order.placed", one) for one in (deleted, erased)]
    for event in sent:
        delivered(outgoing, event)
    changed(shop, made, status="paused")
    waits, gone = shop.reply("emit order.placed", deleted), shop.reply("emit order.placed", erased)
    wait_until(lambda: status(outgoing, waits) and status(outgoing, gone), 10, "to be fanned out")
    assert shop.sessions(f"/{deleted}", "DELETE").status_code == 204
    assert shop.sessions(f"/{erased}?erase=true", "DELETE").status_code == 200
    assert [one["eventId"] for one in listed(shop)] == [waits]
    assert deliveries(outgoing, gone) == []
    changed(shop, made, status="active")
    assert {one.id for one in elsewhere.waited("/a", 3)} == {waits, *sent}
