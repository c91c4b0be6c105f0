"""How senders check an address: answered without a turn, and nothing that the protocol does not ask for."""

import base64
import hashlib
import hmac
import json
import time

import pytest
from werkzeug.datastructures import Headers

from pumice.agents.requests import Request
from pumice.agents.sources import Received, with_headers
from tests.support.senders import SENDERS, VERIFY_TOKEN, Delivering, Keys

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def to(senders, sender_keys):
    return lambda name: Delivering(senders.url, "senders", name, SENDERS[name], sender_keys[name][0])


@pytest.fixture
def secret(sender_keys):
    return lambda name: sender_keys[name][1].signing  # the first of the two in the variable


def asking(delivering, method="GET", query="", headers=None, body=b"", *, sign=False):
    path = f"/v1/agents/senders/hooks/{delivering.hook}" + (f"?{query}" if query else "")
    request = Request(method, path, headers=Headers(headers or {}), body=body)
    if sign:
        received = Received(request, delivering.url + path, time.time())
        request = delivering.sender.source.scheme.sign(received, delivering.keys.signing)
    return delivering.send(request)


def posting(delivering, value, **options):
    return asking(delivering, "POST", headers=JSON, body=json.dumps(value).encode(), **options)


def test_slack_gets_its_challenge_back_once_it_has_signed(to):
    value = {"type": "url_verification", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}
    status, headers, body = posting(to("slack"), value, sign=True)
    assert (status, body.decode()) == (200, value["challenge"])
    assert headers["content-type"].startswith("text/plain")
    assert posting(to("slack"), value)[0] == 401


def test_meta_gets_its_challenge_back_for_the_right_token_only(to):
    query = f"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={VERIFY_TOKEN.replace(' ', '+')}"
    status, _, body = asking(to("meta"), query=query)
    assert (status, body) == (200, b"1158201444")
    assert asking(to("meta"), query=query + "x")[0] == 403
    assert asking(to("meta"))[0] == 401


def test_zoom_gets_its_token_back_with_its_hmac(to, secret):
    value = {"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}}
    status, _, body = posting(to("zoom"), value, sign=True)
    digest = hmac.new(secret("zoom").encode(), b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest()
    assert (status, json.loads(body)) == (200, {"plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": digest})
    assert posting(to("zoom"), value)[0] == 401


def test_discord_gets_a_pong(to):
    status, _, body = posting(to("discord"), {"type": 1}, sign=True)
    assert (status, json.loads(body)) == (200, {"type": 1})
    assert posting(to("discord"), {"type": 0}, sign=True)[0] == 204
    assert posting(to("discord"), {"type": 1})[0] == 401


def test_microsoft_graph_gets_its_token_back_as_text(to):
    text = {"Content-Type": "text/plain; charset=utf-8"}
    status, headers, body = asking(to("microsoft_graph"), "POST", "validationToken=abc%20def", text)
    assert (status, body, headers["content-type"][:10]) == (200, b"abc def", "text/plain")
    assert asking(to("microsoft_graph"), "POST", "validationToken=%3Cscript%3E", text)[0] == 401


def test_dropbox_gets_its_challenge_back(to):
    status, headers, body = asking(to("dropbox"), query="challenge=abc123")
    assert (status, body, headers["x-content-type-options"]) == (200, b"abc123", "nosniff")


def test_x_gets_the_hmac_of_its_token_and_of_nothing_that_could_be_a_delivery(to, secret):
    status, _, body = asking(to("x"), query="crc_token=foo")
    digest = base64.b64encode(hmac.digest(secret("x").encode(), b"foo", "sha256")).decode()
    assert (status, json.loads(body)) == (200, {"response_token": f"sha256={digest}"})
    assert asking(to("x"), query="crc_token=%7B%22for_user_id%22%3A1%7D")[0] == 401


@pytest.mark.parametrize("name", ["trello", "intercom", "github"])
def test_a_look_by_head_is_answered(to, name):
    status, _, body = asking(to(name), "HEAD")
    assert (status, body) == (200, b"")


def test_cloud_events_are_allowed_to_be_sent(to):
    asked = {"WebHook-Request-Origin": "eventgrid.azure.net", "WebHook-Request-Rate": "120"}
    for name in ("cloudevents", "event_grid"):
        status, headers, _ = asking(to(name), "OPTIONS", headers=asked)
        assert (status, headers["webhook-allowed-origin"]) == (200, "eventgrid.azure.net")
        assert headers["webhook-allowed-rate"] == "*"


def test_event_grid_gets_its_code_back_where_the_address_has_the_token(to, secret):
    kind = "Microsoft.EventGrid.SubscriptionValidationEvent"
    value = [{"id": "1", "eventType": kind, "data": {"validationCode": "512d38b6"}}]
    status, _, body = posting(to("event_grid"), value, query=f"token={secret('event_grid')}")
    assert (status, json.loads(body)) == (200, {"validationResponse": "512d38b6"})
    assert posting(to("event_grid"), value, query="token=x")[0] == 401


def test_asana_gets_its_secret_back(to):
    status, headers, _ = asking(to("asana"), "POST", headers={"X-Hook-Secret": "b537207f20cbfa02357cf448134da559"})
    assert (status, headers["x-hook-secret"]) == (200, "b537207f20cbfa02357cf448134da559")


@pytest.mark.parametrize("secret", ["", "x" * 600, "a\x85b", "<script>"])
def test_what_can_be_no_secret_is_not_echoed(to, secret):
    assert asking(to("asana"), "POST", headers={"X-Hook-Secret": secret})[0] == 401


def test_a_secret_that_a_stranger_hands_over_makes_nothing_valid(to, senders):
    stranger = "0123456789abcdef0123456789abcdef"
    assert asking(to("asana"), "POST", headers={"X-Hook-Secret": stranger})[0] == 200
    delivering = to("asana")
    assert delivering(signing=stranger)[0] == 401
    assert posting(to("notion"), {"verification_token": "secret_stranger"})[0] == 200
    assert to("notion")(signing="secret_stranger")[0] == 401


def test_okta_monday_and_twitch_get_their_challenges_back(to):
    status, _, body = asking(to("okta"), headers={"X-Okta-Verification-Challenge": "my verification challenge"})
    assert (status, json.loads(body)) == (200, {"verification": "my verification challenge"})
    status, _, body = posting(to("monday"), {"challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"})
    assert (status, list(json.loads(body))) == (200, ["challenge"])
    twitch = to("twitch")
    made = twitch.made()
    asked = with_headers(made, {"Twitch-Eventsub-Message-Type": "webhook_callback_verification"})
    asked = Request(asked.method, asked.path, asked.query, asked.headers, b'{"challenge": "pogchamp"}')
    signed = twitch.sender.source.scheme.sign(Received(asked, twitch.url, time.time()), twitch.keys.signing)
    status, _, body = twitch.send(signed)
    assert (status, body) == (200, b"pogchamp")


def test_woocommerce_may_ping_unsigned_and_nothing_more(to):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert asking(to("woocommerce"), "POST", headers=form, body=b"webhook_id=7")[0] == 200
    assert asking(to("woocommerce"), "POST", headers=form, body=b"webhook_id=7&x=1")[0] == 401


@pytest.mark.parametrize("name", ["line", "xero", "asana"])
def test_a_signed_delivery_without_events_is_answered(to, name):
    assert posting(to(name), {"events": []}, sign=True)[0] == 200
    assert posting(to(name), {"events": []})[0] == 401


def test_handshakes_run_no_turn(to, senders):
    count = "select count(*) as n from interactions where agent_id = 'senders'"
    before = senders.query(count)
    assert asking(to("dropbox"), query="challenge=abc")[0] == 200
    assert posting(to("line"), {"events": []}, sign=True)[0] == 200
    assert senders.query(count) == before


def test_a_handshake_for_an_unknown_hook_is_404(senders):
    nobody = Delivering(senders.url, "senders", "nobody", SENDERS["slack"], Keys("", ""))
    assert posting(nobody, {"type": "url_verification", "challenge": "x"})[0] == 404
    assert asking(nobody, "HEAD")[0] == 404
    assert asking(nobody, "OPTIONS", headers={"WebHook-Request-Origin": "a"})[0] == 404
