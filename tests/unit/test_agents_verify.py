"""Signatures of webhooks."""

import base64
import hashlib
import hmac

import pytest
from werkzeug.datastructures import Headers

from pumice import Request, signature

BODY = b"Hello, World!"


def signed(value: str, body: bytes = BODY) -> Request:
    return Request(headers=Headers({"X-Hub-Signature-256": value}), body=body)


def test_the_example_in_githubs_documentation():
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    verify = signature("X-Hub-Signature-256", secret="It's a Secret to Everybody")
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert verify(signed(f"sha256={digest}"))
    assert not verify(signed(f"sha256={digest}", b"hello, world!"))


@pytest.mark.parametrize("value", ["", "sha256=", "sha256=00", "sha1=x", "sha256=é", "\ud800"])
def test_wrong_signatures(value):
    assert not signature("X-Hub-Signature-256", secret="s")(signed(value))


def test_a_missing_header_is_wrong():
    assert not signature("X-Hub-Signature-256", secret="s")(Request(body=BODY))


def test_other_forms():
    digest = hmac.digest(b"s", BODY, hashlib.sha512)
    verify = signature("X-Hub-Signature-256", secret=b"s", prefix="", algorithm="sha512", encoding="base64")
    assert verify(signed(base64.b64encode(digest).decode()))


@pytest.mark.parametrize("options", [{"secret": ""}, {"secret": "s", "algorithm": "sha0"}])
def test_what_cannot_verify_is_refused(options):
    with pytest.raises(ValueError, match="signature"):
        signature("X", **options)
