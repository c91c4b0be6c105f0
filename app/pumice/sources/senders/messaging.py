"""Chats, calls and short messages."""

from pumice.agents.requests import Request
from pumice.agents.selectors import Selector, body, first, header
from pumice.agents.sources import WHOLE_BODY, Sample, Source
from pumice.sources.address_hmac import AddressHmac
from pumice.sources.asymmetric import Asymmetric
from pumice.sources.body_hmac import BodyHmac
from pumice.sources.digests import Digest
from pumice.sources.handshakes import (
    body_challenge,
    hub_challenge,
    nothing_yet,
    ping_pong,
    told,
    twitch_verification,
    zoom_validation,
)
from pumice.sources.timed_hmac import TimedHmac
from pumice.sources.tokens import SharedToken

BASE64 = Digest(encoding="base64")
SHA1_BASE64 = Digest("sha1", "base64")
UPDATE = "update_id"


def _slack_event(request: Request) -> str | None:
    """An event's type, an interaction's, or the command."""
    for path in ("event.type", "payload.type", "command", "type"):
        value = body(path)(request)
        if value is not None:
            return str(value)
    return None


def slack(secret: str) -> Source:
    """Slack: events, interactions and commands. https://docs.slack.dev/authentication/verifying-requests-from-slack"""
    return Source(
        "slack",
        TimedHmac("X-Slack-Signature", "v0:{time}:{body}", "X-Slack-Request-Timestamp", "v0="),
        (secret,),
        first(body("event_id"), body("trigger_id"), body("payload.trigger_id")),
        Selector("the type of `event` or `payload`, or `command`", _slack_event),
        first(body("event_time"), header("X-Slack-Request-Timestamp")),
        (
            body_challenge(
                "`url_verification`: the challenge is echoed", {"type": "url_verification"}, "challenge", str
            ),
        ),
        within=3,
        only_200=True,
        sample=Sample(
            {
                "type": "event_callback",
                "event_id": "Ev{id}",
                "event_time": "{now}",
                "team_id": "demo",
                "event": {"type": "app_mention", "user": "demo", "text": "hello", "channel": "demo"},
            }
        ),
    )


def discord(public_key: str) -> Source:
    """Discord: interactions and events; the variable holds the application's public key.

    https://docs.discord.com/developers/interactions/overview
    """
    return Source(
        "discord",
        Asymmetric("ed25519", "X-Signature-Ed25519", "{time}{body}", "hex", "X-Signature-Timestamp"),
        (public_key,),
        first(body("id"), body("event.data.id")),
        first(body("event.type"), body("data.name"), body("type")),
        first(body("event.timestamp"), header("X-Signature-Timestamp")),
        (ping_pong(),),
        within=3,
        only_200=True,
        later={"type": 5},
        sample=Sample({"id": "{id}", "type": 2, "data": {"name": "demo"}, "guild_id": "demo", "token": "demo"}),
    )


def twilio(auth_token: str) -> Source:
    """Twilio: messages and calls. https://www.twilio.com/docs/usage/webhooks/webhooks-security"""
    return Source(
        "twilio",
        AddressHmac("X-Twilio-Signature", "url+form", SHA1_BASE64),
        (auth_token,),
        header("I-Twilio-Idempotency-Token"),
        first(body("EventType"), body("MessageStatus"), body("CallStatus"), body("SmsStatus")),
        body("Timestamp"),
        within=15,
        sample=Sample(
            form={"MessageSid": "SM{id}", "SmsStatus": "received", "From": "+15550001111", "Body": "hello"},
            headers={"I-Twilio-Idempotency-Token": "{id}"},
        ),
    )


def telnyx(public_key: str) -> Source:
    """Telnyx; the variable holds its public key. https://developers.telnyx.com/development/api-fundamentals/webhooks/receiving-webhooks"""
    return Source(
        "telnyx",
        Asymmetric("ed25519", "telnyx-signature-ed25519", "{time}|{body}", "base64", "telnyx-timestamp"),
        (public_key,),
        body("data.id"),
        body("data.event_type"),
        body("data.occurred_at"),
        within=2,
        sample=Sample(
            {
                "data": {
                    "id": "{id}",
                    "event_type": "message.received",
                    "occurred_at": "{now_iso}",
                    "payload": {"from": {"phone_number": "demo"}},
                }
            }
        ),
    )


def zoom(secret: str) -> Source:
    """Zoom. https://developers.zoom.us/docs/api/webhooks/"""
    return Source(
        "zoom",
        TimedHmac("x-zm-signature", "v0:{time}:{body}", "x-zm-request-timestamp", "v0="),
        (secret,),
        WHOLE_BODY,
        body("event"),
        body("event_ts"),
        (zoom_validation(),),
        within=3,
        sample=Sample(
            {
                "event": "meeting.started",
                "event_ts": "{now_ms}",
                "payload": {"account_id": "demo", "object": {"id": "demo", "uuid": "{id}"}},
            }
        ),
    )


def meta(secret: str, *, verify_token: str) -> Source:
    """Meta: WhatsApp, Messenger, Instagram, pages. https://developers.facebook.com/docs/graph-api/webhooks/getting-started"""
    return Source(
        "meta",
        BodyHmac("X-Hub-Signature-256", "sha256="),
        (secret,),
        first(
            body("entry.0.changes.0.value.messages.0.id"),
            body("entry.0.messaging.0.message.mid"),
            WHOLE_BODY,
        ),
        first(body("entry.0.changes.0.field"), body("object")),
        first(body("entry.0.changes.0.value.messages.0.timestamp"), body("entry.0.time")),
        (hub_challenge(verify_token),),
        within=10,
        only_200=True,
        sample=Sample(
            {
                "object": "whatsapp_business_account",
                "entry": [
                    {
                        "id": "demo",
                        "changes": [
                            {
                                "field": "messages",
                                "value": {"messages": [{"from": "demo", "id": "wamid.{id}", "timestamp": "{now}"}]},
                            }
                        ],
                    }
                ],
            }
        ),
    )


def _telegram_event(request: Request) -> str | None:
    """The one key of an update that is not its number."""
    found = request.json
    return next((key for key in found if key != UPDATE), None) if isinstance(found, dict) else None


def telegram(secret: str) -> Source:
    """Telegram; the variable holds setWebhook's secret_token. https://core.telegram.org/bots/api#setwebhook"""
    return Source(
        "telegram",
        SharedToken("header", "X-Telegram-Bot-Api-Secret-Token"),
        (secret,),
        body(UPDATE),
        Selector("the update's kind", _telegram_event),
        first(body("message.date"), body("edited_message.edit_date"), body("callback_query.message.date")),
        within=30,
        sample=Sample(
            {"update_id": "{id}", "message": {"message_id": 1, "date": "{now}", "chat": {"id": "demo"}, "text": "hi"}}
        ),
    )


def line(secret: str) -> Source:
    """LINE. https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/"""
    return Source(
        "line",
        BodyHmac("x-line-signature", digest=BASE64),
        (secret,),
        body("events.0.webhookEventId"),
        body("events.0.type"),
        body("events.0.timestamp"),
        (nothing_yet("events"),),
        within=2,
        sample=Sample(
            {
                "destination": "demo",
                "events": [
                    {
                        "type": "message",
                        "webhookEventId": "{id}",
                        "timestamp": "{now_ms}",
                        "source": {"type": "user", "userId": "demo"},
                    }
                ],
            }
        ),
    )


def viber(secret: str) -> Source:
    """Viber; the variable holds the bot's token. https://developers.viber.com/docs/api/rest-bot-api/"""
    return Source(
        "viber",
        BodyHmac("X-Viber-Content-Signature"),
        (secret,),
        WHOLE_BODY,
        body("event"),
        body("timestamp"),
        (told("event", "webhook"),),
        within=5,
        only_200=True,
        sample=Sample({"event": "message", "timestamp": "{now_ms}", "message_token": "{id}", "sender": {"id": "demo"}}),
    )


def twitch(secret: str) -> Source:
    """Twitch's EventSub. https://dev.twitch.tv/docs/eventsub/handling-webhook-events/"""
    return Source(
        "twitch",
        TimedHmac(
            "Twitch-Eventsub-Message-Signature",
            "{id}{time}{body}",
            "Twitch-Eventsub-Message-Timestamp",
            "sha256=",
            id="Twitch-Eventsub-Message-Id",
            unit="iso",
            tolerance=600,
        ),
        (secret,),
        header("Twitch-Eventsub-Message-Id"),
        first(header("Twitch-Eventsub-Subscription-Type"), body("subscription.type")),
        header("Twitch-Eventsub-Message-Timestamp"),
        (twitch_verification(),),
        within=5,
        sample=Sample(
            {"subscription": {"type": "channel.follow"}, "event": {"broadcaster_user_id": "demo"}},
            headers={
                "Twitch-Eventsub-Message-Id": "{id}",
                "Twitch-Eventsub-Message-Type": "notification",
                "Twitch-Eventsub-Subscription-Type": "channel.follow",
            },
        ),
    )


SENDERS = (slack, discord, twilio, telnyx, zoom, telegram, line, viber, twitch)
