"""What a hook's handler sees of a request: every kind of body, by GET and POST, up to the limit."""

import gzip
import hashlib
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LIMIT = 10_000_000
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
RELAXED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def inspected(receiver, method="POST", **options):
    answer = receiver.hook("inspect", method, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_json(receiver, method):
    body = {"id": 7, "name": "käse", "nul": "\x00"}
    assert inspected(receiver, method, json=body)["json"] == body


@RELAXED
@given(value=JSON)
def test_any_json(receiver, value):
    assert inspected(receiver, json=value)["json"] == value


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_forms(receiver, method):
    seen = inspected(receiver, method, data={"a": ["1", "2"], "b": "é"})
    assert seen["form"] == {"a": ["1", "2"], "b": ["é"]}


def test_multipart_forms_with_files(receiver):
    data = os.urandom(1000)
    seen = inspected(receiver, data={"field": "x"}, files={"upload": ("ä.bin", data), "empty": ("e.txt", b"")})
    assert seen["form"] == {"field": ["x"]}
    assert seen["files"] == {"upload": ["ä.bin", data.hex()], "empty": ["e.txt", ""]}


def test_text(receiver):
    seen = inspected(receiver, content="grüße\n".encode(), headers={"Content-Type": "text/plain; charset=utf-8"})
    assert seen["text"] == "grüße\n"


@RELAXED
@given(body=st.binary(max_size=2000))
def test_any_bytes(receiver, body):
    seen = inspected(receiver, content=body, headers={"Content-Type": "application/octet-stream"})
    assert (seen["length"], seen["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


@RELAXED
@given(query=st.dictionaries(TEXT.filter(bool), st.lists(TEXT, min_size=1, max_size=2), max_size=3))
def test_any_query(receiver, query):
    seen = inspected(receiver, "GET", params=query)["query"]
    assert seen == [[name, value] for name, values in query.items() for value in values]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, LIMIT])
def test_every_size_up_to_the_limit(receiver, method, size):
    body = os.urandom(size)
    seen = inspected(receiver, method, content=body, headers={"Content-Type": "application/octet-stream"})
    assert (seen["method"], seen["length"]) == (method, size)
    assert seen["sha256"] == hashlib.sha256(body).hexdigest()


def test_bodies_without_a_length(receiver):
    seen = inspected(receiver, content=(bytes([n]) * 1000 for n in range(100)))
    assert seen["length"] == 100_000


def test_a_compressed_body_stays_as_it_came(receiver):
    body = gzip.compress(json.dumps({"a": 1}).encode())
    headers = {"Content-Type": "application/octet-stream", "Content-Encoding": "gzip"}
    assert inspected(receiver, content=body, headers=headers)["sha256"] == hashlib.sha256(body).hexdigest()


def test_path_query_and_headers(receiver):
    seen = inspected(receiver, params=[("a", "1"), ("a", "2")], headers={"User-Agent": "Tester/1"})
    assert seen["path"] == "/v1/agents/receiver/hooks/inspect?a=1&a=2"
    assert (seen["query"], seen["agent"]) == ([["a", "1"], ["a", "2"]], "Tester/1")
