"""What hooks received is listed, shown without secrets, and can be run again."""

import json
import time
import uuid

import pytest
from werkzeug.datastructures import Headers

from pumice.agents.requests import Request
from pumice.sessions.delivery_log import KEPT
from tests.support.senders import SENDERS, Delivering
from tests.support.waiting import wait_until

AT = "/v1/agents/senders/deliveries"


@pytest.fixture
def api(senders):
    """Calls the management API; the answer must have the status."""
    agent = senders.agent("senders")

    def call(method, path="", status=200, **options):
        headers = {"x-api-key": agent.secret_key}
        answer = agent.http.request(method, AT + path, headers=headers, **options)
        assert answer.status_code == status, answer.text
        return answer.json()

    return call


@pytest.fixture
def to(senders, sender_keys):
    return lambda name: Delivering(senders.url, "senders", name, SENDERS[name], sender_keys[name][0])


def found(api, count, **filters):
    """So many deliveries, once they are there: what ran no turn is noted a moment later."""

    def look():
        rows = api("GET", params=filters)["deliveries"]
        return rows if len(rows) >= count else None

    return wait_until(look)


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def test_accepted_repeated_refused_and_handshakes_are_listed(api, to):
    since, session = now(), f"c-{uuid.uuid4().hex}"
    linear = to("linear")
    sent = linear.made(f"s={session}")
    assert [linear.send(sent)[0] for _ in range(2)] == [200, 200]
    assert linear(signing="wrong")[0] == 401
    assert linear.send(Request("HEAD", sent.path))[0] == 200
    rows = found(api, 4, hook="linear", since=since)
    by_status = {row["status"]: row for row in rows}
    assert sorted(by_status) == ["accepted", "handshake", "refused", "repeated"]
    accepted, repeated, refused = (by_status[name] for name in ("accepted", "repeated", "refused"))
    assert (accepted["source"], accepted["event"], accepted["sessionId"]) == ("linear", "Issue", session)
    assert accepted["id"] == accepted["interactionId"] == repeated["interactionId"]
    assert accepted["deliveryId"] == repeated["deliveryId"]
    assert refused["reason"].startswith("401 The hook linear refused the request: its Linear-Signature is not")
    assert found(api, 1, hook="linear", since=since, event="Iss*", status="accepted") == [accepted]
    assert api("GET", params={"hook": "linear", "since": since, "event": "Comment"})["deliveries"] == []


def test_pages_go_back_in_time_without_gaps(api, to):
    since, session = now(), f"c-{uuid.uuid4().hex}"
    gitea = to("gitea")
    for _ in range(3):
        assert gitea(f"s={session}")[0] == 200
        assert gitea(signing="wrong")[0] == 401
    found(api, 6, hook="gitea", since=since)
    ids, cursor = [], None
    while True:
        page = api(
            "GET", params={"hook": "gitea", "since": since, "limit": 2, **({"cursor": cursor} if cursor else {})}
        )
        ids += [row["id"] for row in page["deliveries"]]
        if (cursor := page["nextCursor"]) is None:
            break
    assert len(ids) == len(set(ids)) == 6
    assert ids == sorted(ids, reverse=True)


@pytest.mark.parametrize("name", ["gitlab", "figma", "monday", "postmark", "github"])
@pytest.mark.parametrize("status", ["accepted", "refused"])
def test_no_secret_and_no_signature_is_shown(api, to, senders, name, status):
    since, one = now(), to(name)
    wrong = f"xx{one.keys.signing}"
    assert one(f"s={uuid.uuid4().hex}", **({"signing": wrong} if status == "refused" else {}))[0] in {200, 401}
    row = found(api, 1, hook=name, since=since, status=status)[0]
    text = json.dumps(api("GET", f"/{row['id']}"))
    signed = {value for key, value in one.made().headers if "signature" in key.lower()}
    assert one.keys.signing not in text
    assert not [value for value in signed if value in text]
    if status == "refused":
        stored = senders.query("select path, headers::text, body from deliveries where id = %s", row["id"])
        assert one.keys.signing not in str(stored)


def test_a_delivery_is_shown_with_its_request_and_replayed(api, to, senders):
    since, session = now(), f"c-{uuid.uuid4().hex}"
    stripe = to("stripe")
    sent = stripe.made(f"s={session}")
    assert stripe.send(sent)[0] == 200
    row = found(api, 1, hook="stripe", since=since, status="accepted")[0]
    shown = api("GET", f"/{row['id']}")
    assert (shown["method"], shown["body"], shown["size"]) == ("POST", sent.body.decode(), len(sent.body))
    new = api("POST", f"/{row['id']}/replay", 202)
    agent = senders.agent("senders")
    document = agent.finished(new["interactionId"])
    assert (document["replayedFrom"], document["sessionId"]) == (row["id"], session)
    assert agent.state(session)["runs"] == 2
    again = found(api, 2, hook="stripe", since=since, status="accepted")
    assert [one["replayedFrom"] for one in again] == [row["id"], None]


def test_a_filter_is_replayed_without_what_was_refused(api, to, senders):
    since, session = now(), f"c-{uuid.uuid4().hex}"
    paddle = to("paddle")
    for _ in range(3):
        assert paddle(f"s={session}")[0] == 200
    assert paddle(signing="wrong")[0] == 401
    found(api, 4, hook="paddle", since=since)
    done = api("POST", "/replay", 202, json={"hook": "paddle", "since": since})
    assert (len(done["replayed"]), done["leftOut"], done["problems"], done["nextCursor"]) == (3, 1, [], None)
    agent = senders.agent("senders")
    for one in done["replayed"]:
        agent.finished(one["interactionId"])
    assert agent.state(session)["runs"] == 6


def test_refused_ones_and_handshakes_cant_be_replayed(api, to):
    since, box = now(), to("box")
    assert box(signing="wrong")[0] == 401
    row = found(api, 1, hook="box", since=since, status="refused")[0]
    problem = api("POST", f"/{row['id']}/replay", 409)
    assert problem["detail"] == "A delivery that is refused can't be replayed."


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        ({"hook": "nobody"}, "hook"),
        ({"status": "lost"}, "status"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-01-01T00:00:00"}, "since"),
        ({"cursor": "x"}, "cursor"),
    ],
)
def test_wrong_filters_are_named(api, filters, field):
    assert api("GET", "", 422, params=filters)["errors"][0]["field"] == field
    assert api("POST", "/replay", 422, json=filters)["errors"][0]["field"] == field


def test_wrong_bodies_and_ids(api):
    assert api("POST", "/replay", 422, json={"hok": "x"})["errors"][0]["field"] == "hok"
    assert api("POST", "/replay", 422, json={"hook": 7})["errors"][0]["field"] == "hook"
    for path in ("/x", f"/{uuid.uuid4()}"):
        assert api("GET", path, 404)["type"] == "urn:pumice:problem:unknown-delivery"
    api("POST", f"/{uuid.uuid4()}/replay", 404)


def test_no_secret_and_no_signature_is_stored_of_what_ran_no_turn(api, to, senders):
    since, figma = now(), to("figma")
    sent = figma.made(f"s={uuid.uuid4().hex}")
    assert [figma.send(sent)[0] for _ in range(2)] == [200, 200]
    row = found(api, 1, hook="figma", since=since, status="repeated")[0]
    stored = senders.query("select convert_from(body, 'UTF8') as body from deliveries where id = %s", row["id"])
    assert "passcode" in stored[0]["body"]
    assert figma.keys.signing not in stored[0]["body"]


def test_each_agent_has_its_own(api, to, senders):
    since = now()
    assert to("heroku")(f"s={uuid.uuid4().hex}")[0] == 200
    row = found(api, 1, hook="heroku", since=since)[0]
    agent = senders.agent("shared")
    path = f"/v1/agents/shared/deliveries/{row['id']}"
    assert agent.http.get(path, headers={"x-api-key": agent.secret_key}).status_code == 404


def test_another_agents_key_sees_nothing(senders):
    key = senders.agent("shared").secret_key
    answer = senders.agent("shared").http.get(AT, headers={"x-api-key": key})
    assert answer.status_code == 401


def test_a_flood_of_refused_ones_is_bounded_and_pushes_out_nothing_else(api, to, senders):
    since, session, one = now(), f"c-{uuid.uuid4().hex}", to("vercel")
    sent = one.made(f"s={session}")
    assert [one.send(sent)[0] for _ in range(2)] == [200, 200]
    path = "/v1/agents/senders/hooks/vercel"
    rows = json.dumps([[str(uuid.uuid4()), number] for number in range(KEPT + 50)])
    senders.query(
        "insert into deliveries (id, agent_id, hook, status, method, path, headers, size) select (r->>0)::uuid,"
        " 'senders', 'vercel', 'refused', 'POST', %s, '[]', 0 from json_array_elements(%s::json) r returning 1 as n",
        path,
        rows,
    )
    assert one.send(Request("POST", path, headers=Headers(), body=b"x" * 100_000))[0] == 401

    def kept():
        count = "select count(*) as n from deliveries where agent_id = 'senders' and hook = 'vercel' and status = %s"
        return senders.query(count, "refused")[0]["n"] <= KEPT

    wait_until(kept)
    assert found(api, 1, hook="vercel", since=since, status="repeated")
    sizes = senders.query(
        "select size, length(body) as kept from deliveries where hook = 'vercel' and status = 'refused' and size > 0"
    )
    assert sizes in ([], [{"size": 100_000, "kept": 65_536}])


def test_metrics_count_by_hook_event_and_status(to, senders):
    agent, one = senders.agent("senders"), to("calendly")
    labels = '{agent="senders",event="invitee.created",hook="calendly",status="accepted"}'
    names = (f"pumice_deliveries_total{labels}", 'pumice_hook_unselected_total{agent="senders",hook="calendly"}')

    def counted():
        lines = dict(line.rsplit(" ", 1) for line in agent.http.get("/metrics").text.splitlines() if " " in line)
        return [float(lines.get(name, 0)) for name in names]

    accepted, unselected = counted()
    assert one(f"s=c-{uuid.uuid4().hex}")[0] == 200
    assert one()[0] == 200
    wait_until(lambda: counted() == [accepted + 2, unselected + 1])
