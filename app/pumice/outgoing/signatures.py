"""What an endpoint gets: the body and the headers of Standard Webhooks, signed."""

from datetime import UTC, datetime
from importlib.metadata import version

from pumice.agents.json_text import dumps
from pumice.sessions.outgoing_steps import Claimed
from pumice.sources.digests import Digest

SIGNATURE = Digest("sha256", "base64", "base64", "whsec_")
"""How Standard Webhooks signs, with a secret that begins with `whsec_`."""
AGENT = f"Pumice/{version('pumice')}"


def body_of(one: Claimed) -> bytes:
    """The body, which is the same in every attempt."""
    at = one.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    data = one.payload
    if one.thin:
        data = dumps({"id": one.event_id, "sessionId": one.session_id, "agentId": one.agent_id}).decode()
    return f'{{"type":{dumps(one.type).decode()},"timestamp":"{at}","data":{data}}}'.encode()


def headers_of(one: Claimed, body: bytes, now: datetime) -> dict[str, str]:
    """The headers. While a secret is being rotated out, both sign."""
    time = str(int(now.timestamp()))
    message = f"{one.event_id}.{time}.".encode() + body
    secrets = [one.secret, *([one.previous] if one.previous else [])]
    return {
        "content-type": "application/json",
        "user-agent": AGENT,
        "webhook-id": one.event_id,
        "webhook-timestamp": time,
        "webhook-signature": " ".join(f"v1,{SIGNATURE.of(secret, message)}" for secret in secrets),
    }
