"""Mail, marketing and customers."""

from pumice.agents.selectors import body, first, header
from pumice.agents.sources import WHOLE_BODY, Sample, Source
from pumice.sources.address_hmac import AddressHmac
from pumice.sources.asymmetric import Asymmetric
from pumice.sources.body_hmac import BodyHmac
from pumice.sources.digests import Digest
from pumice.sources.handshakes import told
from pumice.sources.signed_fields import SignedFields
from pumice.sources.timed_hmac import TimedHmac
from pumice.sources.tokens import Basic

BASE64 = Digest(encoding="base64")
SHA1 = Digest("sha1")
SHA1_BASE64 = Digest("sha1", "base64")
DAY = 86_400.0
"""Seconds. Mailgun signs once and retries for eight hours."""


def sendgrid(public_key: str) -> Source:
    """SendGrid's event webhook; the variable holds its verification key.

    https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
    """
    return Source(
        "sendgrid",
        Asymmetric(
            "ecdsa",
            "X-Twilio-Email-Event-Webhook-Signature",
            "{time}{body}",
            "base64",
            "X-Twilio-Email-Event-Webhook-Timestamp",
        ),
        (public_key,),
        body("0.sg_event_id"),
        body("0.event"),
        body("0.timestamp"),
        within=10,
        sample=Sample(
            [{"email": "demo@example.com", "event": "delivered", "sg_event_id": "{id}", "timestamp": "{now}"}]
        ),
    )


def mailgun(secret: str) -> Source:
    """Mailgun; the variable holds its HTTP webhook signing key. https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks"""
    return Source(
        "mailgun",
        SignedFields(DAY),
        (secret,),
        first(body("event-data.id"), body("signature.token"), body("token")),
        first(body("event-data.event"), body("event")),
        first(body("event-data.timestamp"), body("timestamp")),
        within=10,
        only_200=True,
        sample=Sample(
            {"event-data": {"id": "{id}", "event": "delivered", "timestamp": "{now}", "recipient": "demo@example.com"}}
        ),
    )


def postmark(secret: str) -> Source:
    """Postmark, with a user and password in the address. https://postmarkapp.com/developer/webhooks/webhooks-overview"""
    return Source(
        "postmark",
        Basic(),
        (secret,),
        WHOLE_BODY,
        body("RecordType"),
        first(body("DeliveredAt"), body("BouncedAt"), body("ReceivedAt"), body("ChangedAt"), body("Date")),
        within=10,
        only_200=True,
        sample=Sample(
            {
                "RecordType": "Delivery",
                "MessageID": "{id}",
                "Recipient": "demo@example.com",
                "DeliveredAt": "{now_iso}",
            }
        ),
    )


def mandrill(secret: str) -> Source:
    """Mailchimp Transactional (Mandrill). https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/"""
    return Source(
        "mandrill",
        AddressHmac("X-Mandrill-Signature", "url+form", SHA1_BASE64),
        (secret,),
        body("mandrill_events.0._id"),
        body("mandrill_events.0.event"),
        body("mandrill_events.0.ts"),
        (told("mandrill_events", "[]", is_signed=False),),
        within=10,
        sample=Sample(form={"mandrill_events": '[{"event":"send","_id":"{id}","msg":{"email":"demo@example.com"}}]'}),
    )


def hubspot(secret: str) -> Source:
    """HubSpot's v3 signatures. https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests"""
    return Source(
        "hubspot",
        AddressHmac("X-HubSpot-Signature-v3", "method+url+body+time", BASE64, "X-HubSpot-Request-Timestamp"),
        (secret,),
        WHOLE_BODY,
        body("0.subscriptionType"),
        body("0.occurredAt"),
        within=5,
        sample=Sample(
            [
                {
                    "eventId": "{id}",
                    "subscriptionType": "contact.propertyChange",
                    "objectId": "demo",
                    "occurredAt": "{now_ms}",
                    "attemptNumber": 0,
                }
            ]
        ),
    )


def intercom(secret: str) -> Source:
    """Intercom. https://developers.intercom.com/docs/webhooks"""
    return Source(
        "intercom",
        BodyHmac("X-Hub-Signature", "sha1=", SHA1),
        (secret,),
        body("id"),
        body("topic"),
        body("created_at"),
        within=5,
        sample=Sample(
            {
                "type": "notification_event",
                "id": "notif_{id}",
                "topic": "conversation.user.created",
                "created_at": "{now}",
                "data": {"item": {"id": "demo"}},
            }
        ),
    )


def calendly(secret: str) -> Source:
    """Calendly. https://developer.calendly.com/api-docs/webhook-signatures"""
    return Source(
        "calendly",
        TimedHmac("Calendly-Webhook-Signature", "{time}.{body}", "t", "v1", ","),
        (secret,),
        WHOLE_BODY,
        body("event"),
        body("created_at"),
        within=10,
        sample=Sample(
            {
                "event": "invitee.created",
                "created_at": "{now_iso}",
                "payload": {"email": "demo@example.com", "uri": "{id}"},
            }
        ),
    )


def cal_com(secret: str) -> Source:
    """Cal.com. https://cal.com/docs/developing/guides/automation/webhooks"""
    return Source(
        "cal_com",
        BodyHmac("X-Cal-Signature-256"),
        (secret,),
        WHOLE_BODY,
        body("triggerEvent"),
        body("createdAt"),
        within=10,
        sample=Sample(
            {"triggerEvent": "BOOKING_CREATED", "createdAt": "{now_iso}", "payload": {"uid": "{id}", "title": "demo"}}
        ),
    )


def customer_io(secret: str) -> Source:
    """Customer.io's reporting webhooks. https://docs.customer.io/journeys/webhooks/"""
    return Source(
        "customer_io",
        TimedHmac("X-CIO-Signature", "v0:{time}:{body}", "X-CIO-Timestamp"),
        (secret,),
        body("event_id"),
        body("metric"),
        body("timestamp"),
        within=4,
        sample=Sample(
            {
                "event_id": "{id}",
                "object_type": "email",
                "metric": "delivered",
                "timestamp": "{now}",
                "data": {"identifiers": {"id": "demo"}},
            }
        ),
    )


def segment(secret: str) -> Source:
    """Segment's webhooks. https://segment.com/docs/connections/destinations/catalog/webhooks/"""
    return Source(
        "segment",
        BodyHmac("X-Signature", digest=SHA1),
        (secret,),
        body("messageId"),
        body("type"),
        body("timestamp"),
        within=5,
        sample=Sample({"messageId": "{id}", "type": "track", "event": "demo", "timestamp": "{now_iso}"}),
    )


def zendesk(secret: str) -> Source:
    """Zendesk. https://developer.zendesk.com/documentation/webhooks/verifying/"""
    return Source(
        "zendesk",
        TimedHmac(
            "X-Zendesk-Webhook-Signature",
            "{time}{body}",
            "X-Zendesk-Webhook-Signature-Timestamp",
            unit="iso",
            digest=BASE64,
        ),
        (secret,),
        first(header("X-Zendesk-Webhook-Invocation-Id"), body("id")),
        body("type"),
        body("time"),
        within=12,
        sample=Sample(
            {
                "id": "{id}",
                "type": "zen:event-type:user.created",
                "time": "{now_iso}",
                "detail": {"id": "demo"},
            },
            headers={"X-Zendesk-Webhook-Invocation-Id": "{id}"},
        ),
    )


def greenhouse(secret: str) -> Source:
    """Greenhouse. https://developers.greenhouse.io/webhooks.html"""
    return Source(
        "greenhouse",
        BodyHmac("Signature", "sha256 "),
        (secret,),
        header("Greenhouse-Event-ID"),
        body("action"),
        within=10,
        sample=Sample(
            {"action": "hire_candidate", "payload": {"application": {"id": "demo"}}},
            headers={"Greenhouse-Event-ID": "{id}"},
        ),
    )


SENDERS = (
    sendgrid,
    mailgun,
    postmark,
    mandrill,
    hubspot,
    intercom,
    calendly,
    cal_com,
    customer_io,
    segment,
    zendesk,
    greenhouse,
)
