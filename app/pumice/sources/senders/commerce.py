"""Shops, parcels, forms and books."""

from pumice.agents.selectors import body, first, header
from pumice.agents.sources import WHOLE_BODY, Sample, Source
from pumice.sources.any_of import AnyOf
from pumice.sources.body_hmac import BodyHmac
from pumice.sources.digests import Digest
from pumice.sources.handshakes import first_ping, nothing_yet
from pumice.sources.timed_hmac import TimedHmac

BASE64 = Digest(encoding="base64")


def shopify(secret: str) -> Source:
    """Shopify. https://shopify.dev/docs/apps/build/webhooks/subscribe/https"""
    return Source(
        "shopify",
        BodyHmac("X-Shopify-Hmac-Sha256", digest=BASE64),
        (secret,),
        first(header("X-Shopify-Webhook-Id"), header("X-Shopify-Event-Id")),
        header("X-Shopify-Topic"),
        header("X-Shopify-Triggered-At"),
        within=5,
        sample=Sample(
            {"id": 7, "customer": {"id": "demo"}, "updated_at": "{now_iso}"},
            headers={
                "X-Shopify-Topic": "orders/create",
                "X-Shopify-Webhook-Id": "{id}",
                "X-Shopify-Triggered-At": "{now_iso}",
                "X-Shopify-Shop-Domain": "demo.myshopify.com",
            },
        ),
    )


def woocommerce(secret: str) -> Source:
    """WooCommerce. https://woocommerce.com/document/webhooks/"""
    return Source(
        "woocommerce",
        BodyHmac("X-WC-Webhook-Signature", digest=BASE64),
        (secret,),
        header("X-WC-Webhook-Delivery-ID"),
        header("X-WC-Webhook-Topic"),
        body("date_modified_gmt"),
        (first_ping("webhook_id"),),
        within=5,
        sample=Sample(
            {"id": 7, "status": "processing", "customer_id": "demo"},
            headers={"X-WC-Webhook-Topic": "order.updated", "X-WC-Webhook-Delivery-ID": "{id}"},
        ),
    )


def typeform(secret: str) -> Source:
    """Typeform. https://www.typeform.com/developers/webhooks/secure-your-webhooks/"""
    return Source(
        "typeform",
        BodyHmac("Typeform-Signature", "sha256=", BASE64),
        (secret,),
        body("event_id"),
        body("event_type"),
        body("form_response.submitted_at"),
        within=30,
        sample=Sample(
            {
                "event_id": "{id}",
                "event_type": "form_response",
                "form_response": {"form_id": "demo", "token": "{id}", "submitted_at": "{now_iso}"},
            }
        ),
    )


def tally(secret: str) -> Source:
    """Tally. https://tally.so/help/webhooks"""
    return Source(
        "tally",
        BodyHmac("Tally-Signature", digest=BASE64),
        (secret,),
        body("eventId"),
        body("eventType"),
        body("createdAt"),
        within=10,
        sample=Sample(
            {
                "eventId": "{id}",
                "eventType": "FORM_RESPONSE",
                "createdAt": "{now_iso}",
                "data": {"formId": "demo", "fields": []},
            }
        ),
    )


def aftership(secret: str) -> Source:
    """AfterShip. https://www.aftership.com/docs/tracking/webhook/webhook-signature"""
    return Source(
        "aftership",
        BodyHmac("aftership-hmac-sha256", digest=BASE64),
        (secret,),
        body("event_id"),
        body("event"),
        body("ts"),
        within=10,
        sample=Sample({"event_id": "{id}", "event": "tracking_update", "ts": "{now}", "msg": {"id": "demo"}}),
    )


def easypost(secret: str) -> Source:
    """EasyPost. https://docs.easypost.com/guides/webhooks-guide"""
    return Source(
        "easypost",
        BodyHmac("X-Hmac-Signature", "hmac-sha256-hex="),
        (secret,),
        body("id"),
        body("description"),
        body("created_at"),
        within=7,
        sample=Sample(
            {
                "id": "evt_{id}",
                "object": "Event",
                "description": "tracker.updated",
                "created_at": "{now_iso}",
                "result": {"id": "demo"},
            }
        ),
    )


def webflow(secret: str) -> Source:
    """Webflow. https://developers.webflow.com/data/docs/working-with-webhooks"""
    return Source(
        "webflow",
        TimedHmac("x-webflow-signature", "{time}:{body}", "x-webflow-timestamp", unit="milliseconds"),
        (secret,),
        WHOLE_BODY,
        body("triggerType"),
        header("x-webflow-timestamp"),
        within=10,
        only_200=True,
        sample=Sample({"triggerType": "form_submission", "payload": {"id": "{id}", "siteId": "demo"}}),
    )


KEYS = 10
"""How many of DocuSign's keys are looked at; each signs in a header of its own."""


def docusign(secret: str) -> Source:
    """DocuSign Connect. https://developers.docusign.com/platform/webhooks/connect/hmac/"""
    return Source(
        "docusign",
        AnyOf([BodyHmac(f"X-DocuSign-Signature-{number}", digest=BASE64) for number in range(1, KEYS + 1)]),
        (secret,),
        WHOLE_BODY,
        body("event"),
        body("generatedDateTime"),
        within=30,
        sample=Sample(
            {
                "event": "envelope-completed",
                "generatedDateTime": "{now_iso}",
                "data": {"accountId": "demo", "envelopeId": "{id}"},
            }
        ),
    )


def quickbooks(secret: str) -> Source:
    """QuickBooks Online. https://developer.intuit.com/app/developer/qbo/docs/develop/webhooks"""
    return Source(
        "quickbooks",
        BodyHmac("intuit-signature", digest=BASE64),
        (secret,),
        first(body("0.id"), WHOLE_BODY),
        first(body("0.type"), body("eventNotifications.0.dataChangeEvent.entities.0.name")),
        first(body("0.time"), body("eventNotifications.0.dataChangeEvent.entities.0.lastUpdated")),
        within=3,
        only_200=True,
        sample=Sample(
            {
                "eventNotifications": [
                    {
                        "realmId": "demo",
                        "dataChangeEvent": {
                            "entities": [
                                {
                                    "name": "Customer",
                                    "id": "{id}",
                                    "operation": "Update",
                                    "lastUpdated": "{now_iso}",
                                }
                            ]
                        },
                    }
                ]
            }
        ),
    )


def xero(secret: str) -> Source:
    """Xero; its intent to receive is a delivery without events. https://developer.xero.com/documentation/guides/webhooks/overview"""
    return Source(
        "xero",
        BodyHmac("x-xero-signature", digest=BASE64),
        (secret,),
        WHOLE_BODY,
        body("events.0.eventType"),
        body("events.0.eventDateUtc"),
        (nothing_yet("events"),),
        within=5,
        only_200=True,
        sample=Sample(
            {
                "events": [
                    {
                        "tenantId": "demo",
                        "eventType": "UPDATE",
                        "eventCategory": "CONTACT",
                        "resourceId": "{id}",
                        "eventDateUtc": "{now_iso}",
                    }
                ],
                "firstEventSequence": 1,
                "lastEventSequence": 1,
            }
        ),
    )


SENDERS = (shopify, woocommerce, typeform, tally, aftership, easypost, webflow, docusign, quickbooks, xero)
