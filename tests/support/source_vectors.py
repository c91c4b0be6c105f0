"""Signatures that senders published, in their manuals or the tests of their own libraries."""

import dataclasses
from pathlib import Path

from werkzeug.datastructures import Headers, MultiDict

from pumice import sources
from pumice.agents.requests import Request
from pumice.agents.sources import Received, Source

BODIES = Path(__file__).parent / "vectors"
FORM = "application/x-www-form-urlencoded"


@dataclasses.dataclass(frozen=True)
class Vector:
    """A request and the secret that signs it. now: the time at which it is looked at, in seconds."""

    source: Source
    secret: str
    headers: dict[str, str]
    body: bytes
    now: float = 0
    url: str = "https://example.com/"

    @property
    def received(self):
        path = "/" + self.url.partition("://")[2].partition("/")[2]
        pairs = [one.partition("=") for one in path.partition("?")[2].split("&") if one]
        query = MultiDict([(name, value) for name, _, value in pairs])
        return Received(Request("POST", path, query, Headers(self.headers), self.body), self.url, self.now)


def stored(name):
    return (BODIES / f"{name}.txt").read_bytes()


TWILIO = "https://mycompany.com/myapp.php?foo=1&bar=2"
CALL = b"CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309"
CALL_SIGNED = "RSOYDt4T1cUTdK1PDd93/VVr8B8="
JSON_SHA256 = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
NOTION = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"
PAGERDUTY = "lDQHScfUeXUKaQRNF+8XIiDKZ7XX3itBAYzwU0TARw8lJqRnkKl2iB1anSb0Z+IK"
STRIPE_OTHER = "v0=63f3a72374a733066c4be69ed7f8e5ac85c22c9f0a6a612ab9a025a9e4ee7eef"
HUBSPOT_BODY = (
    b'[{"eventId":531833541,"subscriptionId":3923621,"portalId":48807704,"appId":16111050,"occurredAt":1752613920733,'
    b'"subscriptionType":"contact.creation","attemptNumber":0,"objectId":138017612137,"changeFlag":"CREATED",'
    b'"changeSource":"CRM_UI","sourceId":"userId:76023669"}]'
)

VECTORS = {
    "github": Vector(
        sources.github("S"),
        "It's a Secret to Everybody",
        {"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
        b"Hello, World!",
    ),
    "bitbucket": Vector(
        sources.bitbucket("S"),
        "It's a Secret to Everybody",
        {"X-Hub-Signature": "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"},
        b"Hello World!",
    ),
    "slack": Vector(
        sources.slack("S"),
        "8f742231b10e8888abcd99yyyzzz85a5",
        {
            "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            "X-Slack-Request-Timestamp": "1531420618",
        },
        stored("slack"),
        1531420618,
    ),
    "standard webhooks": Vector(
        sources.standard_webhooks("S"),
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        b'{"test": 2432232314}',
        1614265330,
    ),
    "svix": Vector(
        sources.svix("S"),
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        {
            "svix-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "svix-timestamp": "1614265330",
            "svix-signature": "v1,bm9ldHU5 v2,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        b'{"test": 2432232314}',
        1614265330,
    ),
    "openai": Vector(
        sources.openai("S"),
        "whsec_RdvaYFYUXuIFuEbvZHwMfYFhUf7aMYjYcmM24+Aj40c=",
        {
            "webhook-id": "wh_685c059ae39c8190af8c71ed1022a24d",
            "webhook-timestamp": "1750861210",
            "webhook-signature": "v1,gUAg4R2hWouRZqRQG4uJypNS8YK885G838+EHb4nKBY=",
        },
        stored("openai"),
        1750861210,
    ),
    "stripe": Vector(
        sources.stripe("S"),
        "webhook_secret",
        {
            "Stripe-Signature": "t=1533204620,v1=2220f87ef101a04665f11cdf770523143f875572008577fa0f20882ddb9cc3c7,"
            + STRIPE_OTHER
        },
        stored("stripe"),
        1533204620,
    ),
    "paddle": Vector(
        sources.paddle("S"),
        "pdl_ntf_01hbpjmytsa32fhr36nqgc3kgb_WvRO0eL4Bj9rgYYIBZY6wZhG4EHy9jzh",
        {
            "Paddle-Signature": "ts=1696195954;h1=dummy;"
            "h1=d96299976a6eb066f484d7fde011ac56fc32b38fc9940bc419d6e537fdc6ef02"
        },
        b"hello-world",
        1696195954,
    ),
    "paddle, from its Go library": Vector(
        sources.paddle("S"),
        "pdl_ntfset_01hsdn8d43dt7mezr1ef2jtbaw_hKkRiCGyyRhbFwIUuqiTBgI7gnWoV0Gr",
        {"Paddle-Signature": "ts=1710929255;h1=6c05ef8fa83c44d751be6d259ec955ce5638e2c54095bf128e408e2fce1589c8"},
        stored("paddle"),
        1710929255,
    ),
    "twilio": Vector(
        sources.twilio("S"), "12345", {"X-Twilio-Signature": CALL_SIGNED, "Content-Type": FORM}, CALL, url=TWILIO
    ),
    "twilio, where the port is in the address": Vector(
        sources.twilio("S"),
        "12345",
        {"X-Twilio-Signature": CALL_SIGNED, "Content-Type": FORM},
        CALL,
        url=TWILIO.replace(".com/", ".com:443/"),
    ),
    "twilio, which signs with the port": Vector(
        sources.twilio("S"),
        "12345",
        {"X-Twilio-Signature": "kvajT1Ptam85bY51eRf/AJRuM3w=", "Content-Type": FORM},
        CALL,
        url=TWILIO,
    ),
    "twilio, with a field twice": Vector(
        sources.twilio("S"),
        "12345",
        {"X-Twilio-Signature": "IK+Dwps556ElfBT0I3Rgjkr1wJU=", "Content-Type": FORM},
        b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234",
        url=TWILIO,
    ),
    "twilio, with JSON": Vector(
        sources.twilio("S"),
        "12345",
        {"X-Twilio-Signature": "a9nBmqA0ju/hNViExpshrM61xv4=", "Content-Type": "application/json"},
        b'{"property": "value", "boolean": true}',
        url=f"{TWILIO}&bodySHA256={JSON_SHA256}",
    ),
    "square": Vector(
        sources.square("S"),
        "Ibxx_5AKakO-3qeNVR61Dw",
        {"x-square-hmacsha256-signature": "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4="},
        stored("square"),
        url="https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9",
    ),
    "sendgrid": Vector(
        sources.sendgrid("S"),
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8"
        "eNEc6wEA3F+g==",
        {
            "X-Twilio-Email-Event-Webhook-Signature": "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDW"
            "zM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=",
            "X-Twilio-Email-Event-Webhook-Timestamp": "1600112502",
        },
        stored("sendgrid"),
        1600112502,
    ),
    "line": Vector(
        sources.line("S"),
        "channel_secret",
        {"x-line-signature": "/gg9a+LvFevTH1sd7XCQycD7tsWclCsInj7MhBHxN7k="},
        b"bodybodybodybody",
    ),
    "coinbase commerce": Vector(
        sources.coinbase_commerce("S"),
        "30291a20-0bd1-4267-9b0f-e6e7b123c0bf",
        {"X-CC-Webhook-Signature": "8be7742c7d372f08a6a3224edadf18a22b65fa9e28f3f2de97376cdaa092590d"},
        stored("coinbase"),
    ),
    "box": Vector(
        sources.box("S"),
        "SamplePrimaryKey",
        {
            "BOX-SIGNATURE-PRIMARY": "6TfeAW3A1PASkgboxxA5yqHNKOwFyMWuEXny/FPD5hI=",
            "BOX-SIGNATURE-SECONDARY": "v+1CD1Jdo3muIcbpv5lxxgPglOqMfsNHPV899xWYydo=",
            "BOX-DELIVERY-TIMESTAMP": "2020-01-01T00:00:00-07:00",
        },
        stored("box"),
        1577862000,
    ),
    "box, by its second key": Vector(
        sources.box("S"),
        "SampleSecondaryKey",
        {
            "BOX-SIGNATURE-PRIMARY": "6TfeAW3A1PASkgboxxA5yqHNKOwFyMWuEXny/FPD5hI=",
            "BOX-SIGNATURE-SECONDARY": "v+1CD1Jdo3muIcbpv5lxxgPglOqMfsNHPV899xWYydo=",
            "BOX-DELIVERY-TIMESTAMP": "2020-01-01T00:00:00-07:00",
        },
        stored("box"),
        1577862000,
    ),
    "gocardless": Vector(
        sources.gocardless("S"),
        "ED7D658C-D8EB-4941-948B-3973214F2D49",
        {"Webhook-Signature": "2693754819d3e32d7e8fcb13c729631f316c6de8dc1cf634d6527f1c07276e7e"},
        stored("gocardless"),
    ),
    "workos": Vector(
        sources.workos("S"),
        "1lyKDzhJjuCkIscIWqkSe4YsQ",
        {"WorkOS-Signature": "t=1632409405772, v1=67612f0e74f008b436a13b00266f90ef5c13f9cbcf6262206f5f4a539ff61702"},
        stored("workos"),
        1632409405,
    ),
    "circleci": Vector(
        sources.circleci("S"),
        "secret",
        {"circleci-signature": "v2=abc,v1=734cc62f32841568f45715aeb9f4d7891324e6d948e4c6c60c0621cdac48623a"},
        b"hello world",
    ),
    "notion": Vector(
        sources.notion("S"),
        NOTION,
        {"X-Notion-Signature": "sha256=461e8cbcba8a75c3edd866f0e71280f5a85cbf21eff040ebd10fe266df38a735"},
        b'{"verification_token":"%s"}' % NOTION.encode(),
    ),
    "pagerduty": Vector(
        sources.pagerduty("S"),
        PAGERDUTY,
        {"X-PagerDuty-Signature": "v1=0c0b9495b893a39e70d1fea2fe11fbe0a825f88b9f67846f6cc07dd2bc5476cd"},
        stored("pagerduty"),
    ),
    "razorpay": Vector(
        sources.razorpay("S"),
        "123456",
        {"X-Razorpay-Signature": "ee0a3edebeb4be41bafa3bc0a39069d7845a5c37760b863405049de80b5fe92d"},
        b"{a:1, b:2}",
    ),
    "twitch": Vector(
        sources.twitch("S"),
        "secretabcd",
        {
            "Twitch-Eventsub-Message-Id": "ae2ff348-e102-16be-a3eb-6830c1bf38d2",
            "Twitch-Eventsub-Message-Timestamp": "2021-02-19T23:47:00.8091512Z",
            "Twitch-Eventsub-Message-Signature": "sha256="
            "d10f5bd9474b7ac7bd7105eb79c2d52768b4d0cd2a135982c3bf5a1d59a78823",
        },
        stored("twitch"),
        1613778420,
    ),
    "hubspot": Vector(
        sources.hubspot("S"),
        "cfc68c0b-4b4e-4ef8-b764-95350e4ea479",
        {
            "X-HubSpot-Request-Timestamp": "1752613922216",
            "X-HubSpot-Signature-v3": "gbj1XPRvUt0noT7i7fXfTzOD4sLzQmf0VT28ZYq0EYg=",
        },
        HUBSPOT_BODY,
        1752613922,
        "https://webhook.site/335453f5-94b3-49d9-b684-a55354d4b8df",
    ),
}

PUBLISHED = {vector.source.name for vector in VECTORS.values()}
"""The names of these senders."""
