"""Payments and subscriptions."""

from pumice.agents.requests import Request
from pumice.agents.selectors import Selector, body, first, header
from pumice.agents.sources import WHOLE_BODY, Sample, Source
from pumice.sources.address_hmac import AddressHmac
from pumice.sources.asymmetric import Asymmetric
from pumice.sources.body_hmac import BodyHmac
from pumice.sources.digests import Digest
from pumice.sources.timed_hmac import TimedHmac
from pumice.sources.tokens import Basic, SharedToken

BASE64 = Digest(encoding="base64")


def stripe(secret: str) -> Source:
    """Stripe. https://docs.stripe.com/webhooks#verify-manually"""
    return Source(
        "stripe",
        TimedHmac("Stripe-Signature", "{time}.{body}", "t", "v1", ","),
        (secret,),
        body("id"),
        body("type"),
        body("created"),
        within=20,
        sample=Sample(
            {
                "id": "evt_{id}",
                "object": "event",
                "type": "invoice.paid",
                "created": "{now}",
                "data": {"object": {"id": "in_demo", "object": "invoice", "customer": "demo"}},
            }
        ),
    )


def square(secret: str) -> Source:
    """Square. https://developer.squareup.com/docs/webhooks/step3validate"""
    return Source(
        "square",
        AddressHmac("x-square-hmacsha256-signature", "url+body", BASE64),
        (secret,),
        body("event_id"),
        body("type"),
        body("created_at"),
        within=10,
        sample=Sample(
            {
                "merchant_id": "demo",
                "type": "payment.updated",
                "event_id": "{id}",
                "created_at": "{now_iso}",
                "data": {"type": "payment", "id": "demo"},
            }
        ),
    )


def paddle(secret: str) -> Source:
    """Paddle Billing. https://developer.paddle.com/webhooks/signature-verification"""
    return Source(
        "paddle",
        TimedHmac("Paddle-Signature", "{time}:{body}", "ts", "h1", ";"),
        (secret,),
        first(body("event_id"), body("notification_id")),
        body("event_type"),
        body("occurred_at"),
        within=5,
        only_200=True,
        sample=Sample(
            {
                "event_id": "evt_{id}",
                "event_type": "subscription.activated",
                "occurred_at": "{now_iso}",
                "data": {"customer_id": "demo"},
            }
        ),
    )


def lemon_squeezy(secret: str) -> Source:
    """Lemon Squeezy. https://docs.lemonsqueezy.com/help/webhooks/signing-requests"""
    return Source(
        "lemon_squeezy",
        BodyHmac("X-Signature"),
        (secret,),
        WHOLE_BODY,
        first(header("X-Event-Name"), body("meta.event_name")),
        body("data.attributes.updated_at"),
        within=10,
        only_200=True,
        sample=Sample(
            {
                "meta": {"event_name": "order_created", "custom_data": {"delivery": "{id}"}},
                "data": {"id": "demo", "attributes": {"updated_at": "{now_iso}"}},
            },
            headers={"X-Event-Name": "order_created"},
        ),
    )


def coinbase_commerce(secret: str) -> Source:
    """Coinbase Commerce. https://docs.cdp.coinbase.com/commerce/webhooks"""
    return Source(
        "coinbase_commerce",
        BodyHmac("X-CC-Webhook-Signature"),
        (secret,),
        body("event.id"),
        body("event.type"),
        body("event.created_at"),
        within=10,
        only_200=True,
        sample=Sample(
            {
                "id": "demo",
                "event": {
                    "id": "{id}",
                    "type": "charge:confirmed",
                    "created_at": "{now_iso}",
                    "data": {"code": "demo"},
                },
            }
        ),
    )


def razorpay(secret: str) -> Source:
    """Razorpay. https://razorpay.com/docs/webhooks/validate-test/"""
    return Source(
        "razorpay",
        BodyHmac("X-Razorpay-Signature"),
        (secret,),
        header("x-razorpay-event-id"),
        body("event"),
        body("created_at"),
        within=5,
        sample=Sample(
            {
                "entity": "event",
                "event": "payment.captured",
                "created_at": "{now}",
                "payload": {"payment": {"entity": {"id": "demo"}}},
            },
            headers={"x-razorpay-event-id": "{id}"},
        ),
    )


def paystack(secret: str) -> Source:
    """Paystack. https://paystack.com/docs/payments/webhooks/"""
    return Source(
        "paystack",
        BodyHmac("x-paystack-signature", digest=Digest("sha512")),
        (secret,),
        WHOLE_BODY,
        body("event"),
        first(body("data.paid_at"), body("data.created_at")),
        within=10,
        only_200=True,
        sample=Sample(
            {"event": "charge.success", "data": {"id": "demo", "reference": "{id}", "created_at": "{now_iso}"}}
        ),
    )


def flutterwave(secret: str) -> Source:
    """Flutterwave. https://developer.flutterwave.com/docs/webhooks"""
    return Source(
        "flutterwave",
        SharedToken("header", "verif-hash"),
        (secret,),
        WHOLE_BODY,
        first(body("event"), body("event.type")),
        body("data.created_at"),
        within=60,
        only_200=True,
        sample=Sample(
            {"event": "charge.completed", "data": {"id": "demo", "tx_ref": "{id}", "created_at": "{now_iso}"}}
        ),
    )


def _gocardless_event(request: Request) -> str | None:
    kind, action = body("events.0.resource_type")(request), body("events.0.action")(request)
    return None if kind is None or action is None else f"{kind}.{action}"


def gocardless(secret: str) -> Source:
    """GoCardless. https://developer.gocardless.com/getting-started/staying-up-to-date-with-webhooks/"""
    return Source(
        "gocardless",
        BodyHmac("Webhook-Signature"),
        (secret,),
        first(body("meta.webhook_id"), body("events.0.id")),
        Selector("body('events.0') resource_type.action", _gocardless_event),
        body("events.0.created_at"),
        within=10,
        sample=Sample(
            {
                "events": [
                    {
                        "id": "EV{id}",
                        "action": "confirmed",
                        "resource_type": "payments",
                        "created_at": "{now_iso}",
                        "links": {"payment": "demo"},
                    }
                ],
                "meta": {"webhook_id": "WB{id}"},
            }
        ),
    )


def chargebee(secret: str) -> Source:
    """Chargebee, with basic authentication. https://www.chargebee.com/docs/billing/2.0/site-configuration/webhook_settings"""
    return Source(
        "chargebee",
        Basic(),
        (secret,),
        body("id"),
        body("event_type"),
        body("occurred_at"),
        within=20,
        sample=Sample(
            {
                "id": "ev_{id}",
                "event_type": "payment_succeeded",
                "occurred_at": "{now}",
                "content": {"customer": {"id": "demo"}},
            }
        ),
    )


def wise(secret: str) -> Source:
    """Wise; the variable holds its public key. https://docs.wise.com/guides/developer/webhooks/event-handling"""
    return Source(
        "wise",
        Asymmetric("rsa", "X-Signature-SHA256", "{body}", "base64"),
        (secret,),
        header("X-Delivery-Id"),
        body("event_type"),
        first(body("sent_at"), body("data.occurred_at")),
        within=10,
        sample=Sample(
            {
                "event_type": "transfers#state-change",
                "sent_at": "{now_iso}",
                "data": {"resource": {"id": "demo"}, "occurred_at": "{now_iso}"},
            },
            headers={"X-Delivery-Id": "{id}"},
        ),
    )


SENDERS = (
    stripe,
    square,
    paddle,
    lemon_squeezy,
    coinbase_commerce,
    razorpay,
    paystack,
    flutterwave,
    gocardless,
    chargebee,
    wise,
)
