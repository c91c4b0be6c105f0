"""Documents, files and tasks."""

from pumice.agents.selectors import body, first, header
from pumice.agents.sources import WHOLE_BODY, Received, Sample, Source, text_of
from pumice.sources.address_hmac import AddressHmac
from pumice.sources.any_of import AnyOf
from pumice.sources.body_hmac import BodyHmac
from pumice.sources.digests import Digest
from pumice.sources.handshakes import body_challenge, handed_over, nothing_yet, query_echo
from pumice.sources.timed_hmac import TimedHmac
from pumice.sources.tokens import SharedToken

BASE64 = Digest(encoding="base64")
SHA1_BASE64 = Digest("sha1", "base64")


def trello(secret: str) -> Source:
    """Trello; it asks by HEAD first. https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/"""
    return Source(
        "trello",
        AddressHmac("X-Trello-Webhook", "body+url", SHA1_BASE64),
        (secret,),
        body("action.id"),
        body("action.type"),
        body("action.date"),
        within=10,
        only_200=True,
        sample=Sample(
            {
                "action": {"id": "{id}", "type": "updateCard", "date": "{now_iso}"},
                "model": {"id": "demo"},
            }
        ),
    )


def asana(secret: str) -> Source:
    """Asana, which hands its secret over in a handshake. https://developers.asana.com/docs/webhooks-guide"""

    def find(received: Received) -> str | None:
        headers = received.request.headers
        return None if "X-Hook-Signature" in headers else headers.get("X-Hook-Secret")

    return Source(
        "asana",
        BodyHmac("X-Hook-Signature"),
        (secret,),
        WHOLE_BODY,
        body("events.0.action"),
        body("events.0.created_at"),
        (handed_over("`X-Hook-Secret` is echoed, and kept as pending", find), nothing_yet("events")),
        within=10,
        sample=Sample(
            {
                "events": [
                    {"action": "changed", "created_at": "{now_iso}", "resource": {"gid": "demo", "change": "{id}"}}
                ]
            }
        ),
    )


def notion(secret: str) -> Source:
    """Notion, which hands its secret over in its first request. https://developers.notion.com/reference/webhooks"""

    def find(received: Received) -> str | None:
        if "X-Notion-Signature" in received.request.headers:
            return None
        return text_of(body("verification_token"), received.request)

    return Source(
        "notion",
        BodyHmac("X-Notion-Signature", "sha256="),
        (secret,),
        body("id"),
        body("type"),
        body("timestamp"),
        (handed_over("`verification_token` is kept as pending", find),),
        within=10,
        sample=Sample(
            {
                "id": "{id}",
                "type": "page.content_updated",
                "timestamp": "{now_iso}",
                "workspace_id": "demo",
                "entity": {"id": "demo", "type": "page"},
            }
        ),
    )


def airtable(secret: str) -> Source:
    """Airtable; the variable holds the webhook's macSecretBase64. https://airtable.com/developers/web/api/webhooks-overview"""
    return Source(
        "airtable",
        BodyHmac("X-Airtable-Content-MAC", "hmac-sha256=", Digest(key="base64")),
        (secret,),
        WHOLE_BODY,
        None,
        body("timestamp"),
        within=25,
        sample=Sample(
            {"base": {"id": "demo"}, "webhook": {"id": "{id}"}, "timestamp": "{now_iso}"},
        ),
    )


def _box(name: str) -> TimedHmac:
    return TimedHmac(name, "{body}{time}", "BOX-DELIVERY-TIMESTAMP", unit="iso", tolerance=600, digest=BASE64)


def box(secret: str) -> Source:
    """Box; the variable holds its primary and secondary keys. https://developer.box.com/guides/webhooks/v2/signatures-v2/"""
    return Source(
        "box",
        AnyOf([_box("BOX-SIGNATURE-PRIMARY"), _box("BOX-SIGNATURE-SECONDARY")]),
        (secret,),
        first(header("BOX-DELIVERY-ID"), body("id")),
        body("trigger"),
        body("created_at"),
        within=30,
        sample=Sample(
            {
                "type": "webhook_event",
                "id": "{id}",
                "trigger": "FILE.UPLOADED",
                "created_at": "{now_iso}",
                "source": {"id": "demo"},
            },
            headers={"BOX-DELIVERY-ID": "{id}"},
        ),
    )


def dropbox(secret: str) -> Source:
    """Dropbox. https://www.dropbox.com/developers/reference/webhooks"""
    return Source(
        "dropbox",
        BodyHmac("X-Dropbox-Signature"),
        (secret,),
        None,
        None,
        None,
        (query_echo("challenge"),),
        within=10,
        sample=Sample({"list_folder": {"accounts": ["dbid:demo"]}, "delta": {"users": [7]}, "sent": "{id}"}),
    )


def figma(passcode: str) -> Source:
    """Figma, whose passcode is in the body. https://developers.figma.com/docs/rest-api/webhooks-security/"""
    return Source(
        "figma",
        SharedToken("body", "passcode"),
        (passcode,),
        WHOLE_BODY,
        body("event_type"),
        body("timestamp"),
        within=10,
        only_200=True,
        sample=Sample(
            {
                "event_type": "FILE_UPDATE",
                "file_key": "demo",
                "webhook_id": "demo",
                "timestamp": "{now_iso}",
                "passcode": "{secret}",
                "retries": "{id}",
            }
        ),
    )


def monday(secret: str) -> Source:
    """monday.com; put the secret into the address as `?token=`. https://developer.monday.com/api-reference/reference/webhooks"""
    return Source(
        "monday",
        SharedToken("query", "token"),
        (secret,),
        body("event.triggerUuid"),
        body("event.type"),
        body("event.triggerTime"),
        (
            body_challenge(
                "`challenge` is echoed as JSON", {}, "challenge", lambda text: {"challenge": text}, is_signed=False
            ),
        ),
        within=10,
        only_200=True,
        sample=Sample(
            {
                "event": {
                    "type": "update_column_value",
                    "triggerUuid": "{id}",
                    "triggerTime": "{now_iso}",
                    "boardId": "demo",
                }
            }
        ),
    )


SENDERS = (
    trello,
    asana,
    notion,
    airtable,
    box,
    dropbox,
    figma,
    monday,
)
