"""Requests and responses of hooks, and their forms on the wire."""

import io
import json
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers, MultiDict
from werkzeug.test import EnvironBuilder

from pumice import Request, Response
from pumice.agents.requests import decode_response
from pumice.errors import Malformed


def made(body: bytes = b"", content_type: str = "") -> Request:
    return Request(headers=Headers({"Content-Type": content_type}), body=body)


def answered(value) -> tuple[bytes, int, dict[str, str]]:
    wire = json.loads(json.dumps(Response.of(value).encode()))
    body, status, headers = decode_response(wire)
    return body, status, dict(headers)


@pytest.mark.parametrize(
    ("content_type", "is_json"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/vnd.github+json", True),
        ("text/plain", False),
        ("", False),
    ],
)
def test_json_is_parsed_whatever_the_content_type(content_type, is_json):
    request = made(b'{"a": [1, null]}', content_type)
    assert request.json == {"a": [1, None]}
    assert request.is_json is is_json


def test_broken_json_says_where():
    with pytest.raises(Malformed) as caught:
        _ = made(b'{"a": 1,\n "b": }').json
    document = caught.value.document()
    assert (document["status"], document["line"], document["column"]) == (400, 2, 7)


def test_urlencoded_forms():
    request = made(b"a=1&b=%C3%A9&a=2", "application/x-www-form-urlencoded")
    assert request.form.getlist("a") == ["1", "2"]
    assert request.form["b"] == "é"


def test_multipart_forms_with_files():
    builder = EnvironBuilder(method="POST", data={"field": "x", "upload": (io.BytesIO(b"\x00\xff"), "a.bin")})
    sent = builder.get_request()
    request = made(sent.get_data(parse_form_data=False), sent.headers["Content-Type"])
    builder.close()
    assert request.form["field"] == "x"
    upload = request.files["upload"]
    assert (upload.filename, upload.read()) == ("a.bin", b"\x00\xff")


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=x"])
def test_a_broken_multipart_form_is_malformed(content_type):
    with pytest.raises(Malformed):
        _ = made(b"no part in here", content_type).form


def test_text_and_binary_bodies():
    assert made("käse".encode(), "text/plain").text == "käse"
    assert made(b"\xff\xfd").text == "\ufffd\ufffd"
    assert made(b"\x00\x01").body == b"\x00\x01"
    assert not made(b"a=1", "text/plain").form


@given(
    st.lists(st.tuples(st.text(), st.text())),
    st.lists(st.tuples(st.sampled_from(["X-A", "X-B"]), st.text(alphabet="ab c"))),
    st.binary(),
)
def test_a_request_survives_the_wire(query, headers, body):
    request = Request("POST", "/v1/agents/a/hooks/x", MultiDict(query), Headers(headers), body)
    wire = json.loads(json.dumps(request.encode()))
    again = Request.decode(wire, body)
    assert (again.method, again.path, again.body) == (request.method, request.path, body)
    assert list(again.query.items(multi=True)) == list(request.query.items(multi=True))
    assert list(again.headers) == list(request.headers)


@pytest.mark.parametrize(
    ("value", "body", "status", "content_type"),
    [
        ({"a": 1}, b'{"a":1}', 200, "application/json"),
        ([1], b"[1]", 200, "application/json"),
        (5, b"5", 200, "application/json"),
        ("text", b"text", 200, "text/plain; charset=utf-8"),
        (b"\x00", b"\x00", 200, "application/octet-stream"),
        (bytearray(b"\x01"), b"\x01", 200, "application/octet-stream"),
        (None, b"", 204, None),
        (({"a": 1},), b'{"a":1}', 200, "application/json"),
        (("made", 201), b"made", 201, "text/plain; charset=utf-8"),
        (("made", HTTPStatus.CREATED), b"made", 201, "text/plain; charset=utf-8"),
        (("<p>", 200, {"content-type": "text/html"}), b"<p>", 200, None),
        (Response("x", 418), b"x", 418, "text/plain; charset=utf-8"),
    ],
)
def test_what_a_hook_may_return(value, body, status, content_type):
    got_body, got_status, headers = answered(value)
    assert (got_body, got_status, headers.get("Content-Type")) == (body, status, content_type)


def test_headers_as_a_mapping_or_as_pairs():
    assert answered(("", 302, {"Location": "/x"}))[2]["Location"] == "/x"
    wire = Response.of(("", 200, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])).encode()
    assert decode_response(wire)[2][:2] == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]


@pytest.mark.parametrize("status", [0, 100, 199, 600, "200", 200.0, True, None])
def test_bad_statuses_are_refused(status):
    with pytest.raises(TypeError, match="status"):
        Response.of(("", status)).encode()


@pytest.mark.parametrize("value", [(), (1, 200, {}, 4)])
def test_tuples_of_other_lengths_are_refused(value):
    with pytest.raises(TypeError, match="returns a body"):
        Response.of(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("X-A", "a\r\nSet-Cookie: b"), ("X-A\n", "b"), ("X A", "b"), ("", "b"), ("X", "日"), ("X", "\x00")],
)
def test_headers_that_cannot_be_sent_are_refused(name, value):
    with pytest.raises(TypeError, match="header"):
        Response("", 200, {name: value}).encode()
