"""How senders check an address. Each answers what the protocol asks for, and nothing else.

Where the sender does not sign its question, a stranger may ask it: then nothing is echoed but a short text of letters,
digits and a few signs, and nothing is signed that could be a request.
"""

import base64
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pumice.agents.requests import Response
from pumice.agents.selectors import body
from pumice.agents.sources import Handshake, Received, text_of

CHALLENGE = re.compile(r"[A-Za-z0-9._:;,+/=~ %@|-]{1,512}")
"""What is echoed to a stranger: no markup, no quotation marks, no line breaks."""
SIGNED_CHALLENGE = re.compile(r"[A-Za-z0-9_+/=-]{1,256}")
"""What is signed for a stranger: nothing that could be JSON, a form or a timestamped message."""
NOSNIFF = {"X-Content-Type-Options": "nosniff"}


def _plain(text: str) -> Response:
    return Response(text, 200, {"Content-Type": "text/plain; charset=utf-8", **NOSNIFF})


def _echo(find: Callable[[Received], str | None]) -> Callable[[Received, Sequence[str]], Response | None]:
    def answer(received: Received, _secrets: Sequence[str]) -> Response | None:
        text = find(received)
        return None if text is None or not CHALLENGE.fullmatch(text) else _plain(text)

    return answer


def query_echo(parameter: str, methods: tuple[str, ...] = ("GET",)) -> Handshake:
    """The value of a query parameter comes back as text: Dropbox, Microsoft Graph."""

    def find(received: Received) -> str | None:
        return received.request.query.get(parameter) if received.request.method in methods else None

    return Handshake(f"{' or '.join(methods)} `?{parameter}=` is echoed", _echo(find))


def hub_challenge(verify_token: str) -> Handshake:
    """Meta's `hub.challenge`, if `hub.verify_token` is the one in the variable `verify_token`."""

    def answer(received: Received, tokens: Sequence[str]) -> Response | None:
        request = received.request
        if request.method != "GET" or request.query.get("hub.mode") != "subscribe":
            return None
        given = request.query.get("hub.verify_token", "").encode(errors="replace")
        if not any([hmac.compare_digest(one.encode(), given) for one in tokens]):  # noqa: C419 (all of them, always)
            return Response({"error": "hub.verify_token is wrong"}, 403)
        challenge = request.query.get("hub.challenge", "")
        return _plain(challenge) if CHALLENGE.fullmatch(challenge) else None

    return Handshake("GET `hub.challenge`, with `hub.verify_token`", answer, secrets=(verify_token,))


def body_challenge(
    summary: str, when: Mapping[str, Any], find: str, reply: Callable[[str], Any], *, is_signed: bool = True
) -> Handshake:
    """A body whose fields are `when` asks for what `reply` makes of the field `find`."""

    def answer(received: Received, _secrets: Sequence[str]) -> Response | None:
        request = received.request
        if request.method != "POST" or any(text_of(body(key), request) != str(value) for key, value in when.items()):
            return None
        text = text_of(body(find), request)
        if text is None or (not is_signed and not CHALLENGE.fullmatch(text)):
            return None
        value = reply(text)
        return _plain(value) if isinstance(value, str) else Response(value)

    return Handshake(summary, answer, is_signed)


def zoom_validation() -> Handshake:
    """Zoom's `endpoint.url_validation`: its token comes back with the token's HMAC."""

    def answer(received: Received, secrets: Sequence[str]) -> Response | None:
        if text_of(body("event"), received.request) != "endpoint.url_validation":
            return None
        token = text_of(body("payload.plainToken"), received.request) or ""
        if not SIGNED_CHALLENGE.fullmatch(token):
            return None
        digest = hmac.digest(secrets[0].encode(), token.encode(), "sha256").hex()
        return Response({"plainToken": token, "encryptedToken": digest})

    return Handshake("`endpoint.url_validation`, again every 72 h", answer, is_signed=True)


def crc() -> Handshake:
    """X's challenge-response check: the token's HMAC comes back."""

    def answer(received: Received, secrets: Sequence[str]) -> Response | None:
        token = received.request.query.get("crc_token", "")
        if received.request.method != "GET" or not SIGNED_CHALLENGE.fullmatch(token):
            return None
        digest = base64.b64encode(hmac.digest(secrets[0].encode(), token.encode(), "sha256")).decode()
        return Response({"response_token": f"sha256={digest}"})

    return Handshake("GET `?crc_token=`, answered with its HMAC", answer)


def ping_pong() -> Handshake:
    """Discord's pings: of interactions (type 1, answered with itself) and of events (type 0, 204)."""

    def answer(received: Received, _secrets: Sequence[str]) -> Response | None:
        kind = text_of(body("type"), received.request)
        event = text_of(body("event.type"), received.request)
        if kind == "1" and event is None:
            return Response({"type": 1})
        return Response(None, 204) if kind == "0" else None

    return Handshake("`type` 1 is answered with `type` 1, `type` 0 with 204", answer, is_signed=True)


def header_challenge(name: str, key: str) -> Handshake:
    """A header of a GET comes back in JSON: Okta."""

    def answer(received: Received, _secrets: Sequence[str]) -> Response | None:
        text = received.request.headers.get(name)
        if received.request.method != "GET" or text is None or not CHALLENGE.fullmatch(text):
            return None
        return Response({key: text})

    return Handshake(f"GET `{name}` is answered as `{key}`", answer)


def twitch_verification() -> Handshake:
    """Twitch's `webhook_callback_verification`: its challenge comes back as text."""

    def answer(received: Received, _secrets: Sequence[str]) -> Response | None:
        kind = received.request.headers.get("Twitch-Eventsub-Message-Type")
        challenge = text_of(body("challenge"), received.request)
        return _plain(challenge) if kind == "webhook_callback_verification" and challenge is not None else None

    return Handshake("`webhook_callback_verification`: the challenge is echoed", answer, is_signed=True)


def nothing_yet(field: str) -> Handshake:
    """A delivery without events, by which a sender sees that its signatures are checked: LINE, Xero, Asana."""

    def answer(received: Received, _secrets: Sequence[str]) -> Response | None:
        request = received.request
        return Response(None, 200) if request.method == "POST" and body(field)(request) == [] else None

    return Handshake(f"signed, with `{field}` empty: 200", answer, is_signed=True)


def told(field: str, value: str, *, is_signed: bool = True) -> Handshake:
    """A delivery that says no more than that the address is known now: Viber, Mandrill."""

    def answer(received: Received, _secrets: Sequence[str]) -> Response | None:
        request = received.request
        is_it = request.method == "POST" and text_of(body(field), request) == value
        return Response(None, 200) if is_it else None

    return Handshake(f"`{field}` is `{value}`: 200", answer, is_signed)


def first_ping(field: str) -> Handshake:
    """A form of one field, the webhook's number, which WooCommerce sends unsigned when a webhook is made."""
    form = re.compile(rf"{field}=[0-9]{{1,20}}".encode())

    def answer(received: Received, _secrets: Sequence[str]) -> Response | None:
        request = received.request
        return Response(None, 200) if request.method == "POST" and form.fullmatch(request.body) else None

    return Handshake(f"an unsigned form `{field}=…` is answered 200", answer)


def origin_consent(methods: str) -> Handshake:
    """CloudEvents' abuse protection: OPTIONS asks whether an origin may send."""

    def answer(received: Received, _secrets: Sequence[str]) -> Response | None:
        request = received.request
        origin = request.headers.get("WebHook-Request-Origin", "")
        if request.method != "OPTIONS" or not CHALLENGE.fullmatch(origin):
            return None
        rate = {"WebHook-Allowed-Rate": "*"} if "WebHook-Request-Rate" in request.headers else {}
        return Response(None, 200, {"Allow": methods, "WebHook-Allowed-Origin": origin, **rate})

    return Handshake("OPTIONS `WebHook-Request-Origin` is allowed", answer)


def handed_over(name: str, find: Callable[[Received], str | None]) -> Handshake:
    """A request that hands over the secret by which later ones are signed. It is kept until an operator accepts it.

    name: for the manual. find: the secret; None where the request hands none over.
    """

    def answer(received: Received, _secrets: Sequence[str]) -> Response | None:
        secret = find(received)
        if secret is None or not CHALLENGE.fullmatch(secret):
            return None
        return Response(None, 200, {"X-Hook-Secret": secret} if "X-Hook-Secret" in received.request.headers else {})

    return Handshake(name, answer, hands_over=find)
