"""Standard Webhooks (https://www.standardwebhooks.com), which Svix began, senders that follow it, and models."""

from collections.abc import Callable
from dataclasses import replace

from pumice.agents.selectors import Selector, body, first, header
from pumice.agents.sources import WHOLE_BODY, Sample, Source
from pumice.sources.any_of import AnyOf
from pumice.sources.digests import Digest
from pumice.sources.timed_hmac import TimedHmac

DIGEST = Digest("sha256", "base64", "base64", "whsec_")
MESSAGE = "{id}.{time}.{body}"


def _named(prefix: str, digest: Digest = DIGEST) -> TimedHmac:
    return TimedHmac(
        f"{prefix}-signature",
        MESSAGE,
        f"{prefix}-timestamp",
        "v1,",
        several=" ",
        id=f"{prefix}-id",
        digest=digest,
    )


STANDARD_WEBHOOKS = AnyOf([_named("webhook"), _named("svix")])
"""The headers of the standard, or the older ones of Svix."""


def _standard(name: str, secret: str, event: Selector, sample: Sample, time: Selector | None = None) -> Source:
    id_ = first(header("webhook-id"), header("svix-id"))
    headers = {"webhook-id": "{id}", **sample.headers}
    return Source(
        name,
        STANDARD_WEBHOOKS,
        (secret,),
        id_,
        event,
        time or first(body("timestamp"), body("created_at"), header("webhook-timestamp"), header("svix-timestamp")),
        within=15,
        sample=Sample(sample.body, headers=headers),
    )


def standard_webhooks(secret: str) -> Source:
    """Any sender that follows Standard Webhooks. https://github.com/standard-webhooks/standard-webhooks"""
    sample = Sample({"type": "sample.created", "timestamp": "{now_iso}", "data": {"id": "demo"}})
    return _standard("standard_webhooks", secret, body("type"), sample)


def svix(secret: str) -> Source:
    """Svix and its many customers. https://docs.svix.com/receiving/verifying-payloads/how"""
    sample = Sample({"type": "invoice.paid", "timestamp": "{now_iso}", "data": {"id": "demo"}})
    return _standard("svix", secret, first(body("type"), body("eventType"), body("event")), sample)


def openai(secret: str) -> Source:
    """OpenAI. https://platform.openai.com/docs/guides/webhooks"""
    sample = Sample(
        {"object": "event", "id": "{id}", "type": "response.completed", "created_at": "{now}", "data": {"id": "demo"}}
    )
    return _standard("openai", secret, body("type"), sample)


def anthropic(secret: str) -> Source:
    """Anthropic. https://platform.claude.com/docs/en/managed-agents/webhooks"""
    sample = Sample(
        {
            "type": "event",
            "id": "{id}",
            "created_at": "{now_iso}",
            "data": {"type": "session.status_idled", "id": "demo"},
        }
    )
    return _standard("anthropic", secret, body("data.type"), sample)


def clerk(secret: str) -> Source:
    """Clerk. https://clerk.com/docs/webhooks/overview"""
    sample = Sample({"object": "event", "type": "user.created", "timestamp": "{now_ms}", "data": {"id": "demo"}})
    return _standard("clerk", secret, body("type"), sample)


def resend(secret: str) -> Source:
    """Resend. https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests"""
    sample = Sample({"type": "email.delivered", "created_at": "{now_iso}", "data": {"email_id": "demo"}})
    return _standard("resend", secret, body("type"), sample)


def replicate(secret: str) -> Source:
    """Replicate; its event is the prediction's status. https://replicate.com/docs/topics/webhooks/verify-webhook"""
    sample = Sample({"id": "demo", "status": "succeeded", "created_at": "{now_iso}", "output": "done"})
    return _standard("replicate", secret, body("status"), sample, first(body("completed_at"), body("created_at")))


def polar(secret: str) -> Source:
    """Polar, whose whole secret is the key. https://polar.sh/docs/integrate/webhooks/delivery"""
    sample = Sample({"type": "order.paid", "timestamp": "{now_iso}", "data": {"id": "demo"}})
    source = _standard("polar", secret, body("type"), sample)
    return replace(source, scheme=AnyOf([_named("webhook", Digest(encoding="base64"))]))


def supabase(secret: str) -> Source:
    """Supabase's auth hooks. https://supabase.com/docs/guides/auth/auth-hooks"""
    return Source(
        "supabase",
        STANDARD_WEBHOOKS,
        (secret,),
        header("webhook-id"),
        first(body("metadata.name"), body("type")),
        first(body("metadata.time"), header("webhook-timestamp")),
        within=5,
        sample=Sample(
            {"metadata": {"name": "before-user-created", "time": "{now_iso}"}, "user": {"id": "demo"}},
            headers={"webhook-id": "{id}"},
        ),
    )


def elevenlabs(secret: str) -> Source:
    """ElevenLabs' calls, which sign in a way of their own. https://elevenlabs.io/docs/eleven-agents/workflows/post-call-webhooks"""
    return Source(
        "elevenlabs",
        TimedHmac("ElevenLabs-Signature", "{time}.{body}", "t", "v0", ",", tolerance=1800),
        (secret,),
        WHOLE_BODY,
        body("type"),
        body("event_timestamp"),
        within=10,
        only_200=True,
        sample=Sample(
            {
                "type": "post_call_transcription",
                "event_timestamp": "{now}",
                "data": {"agent_id": "demo", "conversation_id": "{id}"},
            }
        ),
    )


def retell(api_key: str) -> Source:
    """Retell AI; the variable holds the API key. https://docs.retellai.com/features/secure-webhook"""
    return Source(
        "retell",
        TimedHmac("X-Retell-Signature", "{body}{time}", "v", "d", ",", unit="milliseconds"),
        (api_key,),
        WHOLE_BODY,
        body("event"),
        first(body("call.end_timestamp"), body("call.start_timestamp")),
        within=10,
        sample=Sample({"event": "call_ended", "call": {"call_id": "{id}", "agent_id": "demo"}}),
    )


SENDERS: tuple[Callable[[str], Source], ...] = (
    standard_webhooks,
    svix,
    openai,
    anthropic,
    clerk,
    resend,
    replicate,
    polar,
    supabase,
    elevenlabs,
    retell,
)
