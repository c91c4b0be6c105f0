"""Every sender, over HTTP: right, one bit off, wrong secret, old, rotated, repeated after success and after failure."""

import json
import time
import uuid

import pytest
from werkzeug.datastructures import Headers

from pumice.agents.requests import Request
from pumice.sources.signed_fields import SignedFields
from pumice.sources.timed_hmac import TimedHmac
from pumice.sources.tokens import Basic, SharedToken
from tests.support.senders import SENDERS, Delivering


def signs_body(scheme):
    return not isinstance(scheme, SharedToken | Basic)


def signs_time(scheme):
    first = getattr(scheme, "schemes", [scheme])[0]
    return isinstance(first, TimedHmac | SignedFields) or bool(getattr(first, "time", ""))


SIGNED = [name for name, sender in SENDERS.items() if signs_body(sender.source.scheme)]
NAMED = [name for name, sender in SENDERS.items() if sender.source.delivery_id is not None]
TIMED = [name for name, sender in SENDERS.items() if signs_time(sender.source.scheme)]
LONG_AGO = 3 * 86_400


@pytest.fixture(params=SENDERS)
def one(request, senders, sender_keys):
    name = request.param
    return Delivering(senders.url, "senders", name, SENDERS[name], sender_keys[name][0])


@pytest.fixture
def session():
    return f"c-{uuid.uuid4().hex}"


def told(answer):
    status, _, body = answer
    assert status == 200, (status, body)
    return json.loads(body)


def refused(answer):
    status, headers, body = answer
    assert (status, headers["content-type"]) == (401, "application/problem+json"), (status, body)
    assert json.loads(body)["type"] == "urn:pumice:problem:unauthorized"


def test_a_right_one_runs_with_its_event_and_id(one, session):
    sent = one.made(f"s={session}")
    found = told(one.send(sent))
    source = one.sender.source
    assert (found["runs"], found["source"], found["size"]) == (1, source.name, len(sent.body))
    assert bool(found["deliveryId"]) == (source.delivery_id is not None)
    assert found["event"] == source.event_of(sent)
    assert (found["event"] is None) == (source.event is None)
    assert not {name.lower() for name in source.scheme.secret_headers} & set(found["headers"])


@pytest.mark.parametrize("one", NAMED, indirect=True)
def test_one_repeated_after_success_runs_nothing(one, session):
    sent = one.made(f"s={session}")
    first, again = told(one.send(sent)), told(one.send(sent))
    assert first == again
    other = told(one(f"s={session}", delivery_id=str(uuid.uuid4().int % 10**9)))
    assert (other["runs"], other["deliveryId"] != first["deliveryId"]) == (2, True)


@pytest.mark.parametrize("one", NAMED, indirect=True)
def test_one_repeated_after_failure_runs_again(one, session, tmp_path):
    flag = tmp_path / "broken"
    flag.touch()
    sent = one.made(f"s={session}&broken={flag}")
    assert one.send(sent)[0] == 500
    flag.unlink()
    assert told(one.send(sent))["runs"] == 1
    assert told(one.send(sent))["runs"] == 1


@pytest.mark.parametrize("one", SIGNED, indirect=True)
def test_one_bit_off_is_refused(one, session):
    sent = one.made(f"s={session}")
    scheme = one.sender.source.scheme
    if isinstance(scheme, SignedFields):
        changed = sent.body.replace(b'"token":"', b'"token":"x')
    else:
        place = len(sent.body) // 2
        changed = sent.body[:place] + bytes([sent.body[place] ^ 1]) + sent.body[place + 1 :]
    refused(one.send(Request(sent.method, sent.path, sent.query, sent.headers, changed)))


def test_a_wrong_secret_is_refused(one, session):
    _, signing = one.sender.source.scheme.new_secret()
    refused(one(f"s={session}", signing=signing))


def test_an_unsigned_one_is_refused_whatever_its_body(one, session):
    path = f"/v1/agents/senders/hooks/{one.hook}?s={session}"
    for body in (b"{bad", b"", b"a=" + b"&a=" * 10_500):
        refused(one.send(Request("POST", path, headers=Headers({"Content-Type": "application/json"}), body=body)))


def test_truncated_and_repeated_signatures_are_refused(one, session):
    sent = one.made(f"s={session}")
    plain = one.sender.source.sample.request(sent.path, time.time())
    added = {name for name, _ in sent.headers} - {name for name, _ in plain.headers}
    for name in added:
        for wrong in (sent.headers[name][:-7], sent.headers[name][:3], "", "é", f"x,{sent.headers[name]}x"):
            headers = Headers(list(sent.headers))
            headers[name] = wrong.encode().decode("latin-1")
            refused(one.send(Request(sent.method, sent.path, sent.query, headers, sent.body)))


@pytest.mark.parametrize("one", TIMED, indirect=True)
def test_one_signed_long_ago_or_in_the_future_is_refused(one, session):
    for shift in (-LONG_AGO, LONG_AGO):
        refused(one(f"s={session}", now=time.time() + shift))


def test_both_secrets_count_while_one_is_rotated(one, session, sender_keys):
    new, old = sender_keys[one.hook]
    assert told(one(f"s={session}", signing=new.signing))["runs"] == 1
    assert told(one(f"s={session}", signing=old.signing))["runs"] == 2


def test_all_but_two_senders_name_their_deliveries():
    assert set(SENDERS) - set(NAMED) == {"dropbox", "microsoft_graph"}
