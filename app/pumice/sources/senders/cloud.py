"""Identities, clouds and networks."""

from pumice.agents.requests import Request
from pumice.agents.selectors import Selector, body, first, header
from pumice.agents.sources import WHOLE_BODY, Sample, Source
from pumice.sources.body_hmac import BodyHmac
from pumice.sources.digests import Digest
from pumice.sources.handshakes import body_challenge, crc, header_challenge, origin_consent, query_echo
from pumice.sources.timed_hmac import TimedHmac
from pumice.sources.tokens import SharedToken

BASE64 = Digest(encoding="base64")


def _cloud_event_id(request: Request) -> str | None:
    """`source` and `id` together name an event (CloudEvents 1.0, section 3.1)."""
    source = request.headers.get("ce-source") or body("source")(request)
    id_ = request.headers.get("ce-id") or body("id")(request)
    return None if source is None or id_ is None else f"{source} {id_}"


_CLOUD_EVENT_ID = Selector("`ce-source` and `ce-id`", _cloud_event_id)


def workos(secret: str) -> Source:
    """WorkOS. https://workos.com/docs/events/data-syncing/webhooks"""
    return Source(
        "workos",
        TimedHmac("WorkOS-Signature", "{time}.{body}", "t", "v1", ",", unit="milliseconds"),
        (secret,),
        body("id"),
        body("event"),
        body("created_at"),
        within=10,
        only_200=True,
        sample=Sample({"id": "event_{id}", "event": "user.created", "created_at": "{now_iso}", "data": {"id": "demo"}}),
    )


def okta(secret: str) -> Source:
    """Okta's event hooks; the variable holds the Authorization header's value. https://developer.okta.com/docs/concepts/event-hooks/"""
    return Source(
        "okta",
        SharedToken("header", "Authorization"),
        (secret,),
        first(body("eventId"), body("data.events.0.uuid")),
        body("data.events.0.eventType"),
        body("eventTime"),
        (header_challenge("X-Okta-Verification-Challenge", "verification"),),
        within=3,
        only_200=True,
        sample=Sample(
            {
                "eventType": "com.okta.event_hook",
                "eventId": "{id}",
                "eventTime": "{now_iso}",
                "data": {"events": [{"uuid": "{id}", "eventType": "user.session.start"}]},
            }
        ),
    )


def persona(secret: str) -> Source:
    """Persona. https://docs.withpersona.com/webhooks-best-practices"""
    return Source(
        "persona",
        TimedHmac("Persona-Signature", "{time}.{body}", "t", "v1", ","),
        (secret,),
        body("data.id"),
        body("data.attributes.name"),
        body("data.attributes.created-at"),
        within=5,
        sample=Sample(
            {
                "data": {
                    "type": "event",
                    "id": "evt_{id}",
                    "attributes": {"name": "inquiry.completed", "created-at": "{now_iso}"},
                }
            }
        ),
    )


def pusher(secret: str) -> Source:
    """Pusher Channels. https://pusher.com/docs/channels/server_api/webhooks/"""
    return Source(
        "pusher",
        BodyHmac("X-Pusher-Signature"),
        (secret,),
        WHOLE_BODY,
        body("events.0.name"),
        body("time_ms"),
        within=10,
        sample=Sample({"time_ms": "{now_ms}", "events": [{"name": "channel_occupied", "channel": "demo-{id}"}]}),
    )


def microsoft_graph(client_state: str) -> Source:
    """Microsoft Graph; the variable holds the subscription's clientState. https://learn.microsoft.com/graph/change-notifications-delivery-webhooks"""
    return Source(
        "microsoft_graph",
        SharedToken("body", "value.0.clientState"),
        (client_state,),
        None,
        first(body("value.0.lifecycleEvent"), body("value.0.changeType")),
        None,
        (query_echo("validationToken", ("POST", "GET")),),
        within=3,
        sample=Sample(
            {
                "value": [
                    {
                        "subscriptionId": "demo",
                        "changeType": "updated",
                        "clientState": "{secret}",
                        "resource": "users/demo/messages/{id}",
                    }
                ]
            }
        ),
    )


def x(secret: str) -> Source:
    """X, formerly Twitter. https://docs.x.com/x-api/webhooks/introduction"""
    return Source(
        "x",
        BodyHmac("x-twitter-webhooks-signature", "sha256=", BASE64),
        (secret,),
        first(body("tweet_create_events.0.id_str"), body("direct_message_events.0.id")),
        None,
        None,
        (crc(),),
        within=3,
        sample=Sample({"for_user_id": "demo", "tweet_create_events": [{"id_str": "{id}", "text": "hello"}]}),
    )


def cloudevents(secret: str) -> Source:
    """Any sender of CloudEvents, with a bearer token. https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md"""
    return Source(
        "cloudevents",
        SharedToken("header", "Authorization", "Bearer "),
        (secret,),
        _CLOUD_EVENT_ID,
        first(header("ce-type"), body("type")),
        first(header("ce-time"), body("time")),
        (origin_consent("POST"),),
        within=10,
        sample=Sample(
            {"order": "demo"},
            headers={
                "ce-specversion": "1.0",
                "ce-id": "{id}",
                "ce-source": "/demo",
                "ce-type": "com.example.order.updated",
                "ce-time": "{now_iso}",
            },
        ),
    )


def event_grid(secret: str) -> Source:
    """Azure Event Grid; put the secret into the address as `?token=`. https://learn.microsoft.com/azure/event-grid/receive-events"""
    return Source(
        "event_grid",
        SharedToken("query", "token"),
        (secret,),
        first(body("0.id"), _CLOUD_EVENT_ID),
        first(body("0.eventType"), header("ce-type"), body("type")),
        first(body("0.eventTime"), header("ce-time"), body("time")),
        (
            body_challenge(
                "`validationCode` is answered as `validationResponse`",
                {"0.eventType": "Microsoft.EventGrid.SubscriptionValidationEvent"},
                "0.data.validationCode",
                lambda text: {"validationResponse": text},
            ),
            origin_consent("POST"),
        ),
        within=30,
        sample=Sample(
            [
                {
                    "id": "{id}",
                    "eventType": "Microsoft.Storage.BlobCreated",
                    "eventTime": "{now_iso}",
                    "subject": "demo",
                    "data": {},
                }
            ]
        ),
    )


SENDERS = (workos, okta, persona, pusher, microsoft_graph, x, cloudevents, event_grid)
