"""From a request to a session id or a delivery id."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers, MultiDict

from pumice import Request, body, header, query
from pumice.agents.names import checked_session_id, static_session_id
from pumice.agents.selectors import as_selector
from pumice.errors import InvalidField, Malformed


def posted(value) -> Request:
    return Request(body=json.dumps(value).encode())


def form(text: str) -> Request:
    return Request(headers=Headers({"Content-Type": "application/x-www-form-urlencoded"}), body=text.encode())


@pytest.mark.parametrize(
    ("path", "document", "selected"),
    [
        ("id", {"id": "7"}, "7"),
        ("customer.id", {"customer": {"id": 7}}, 7),
        ("items.1.id", {"items": [{"id": "a"}, {"id": "b"}]}, "b"),
        ("items.2.id", {"items": [{"id": "a"}]}, None),
        ("customer.name", {"customer": {"id": 7}}, None),
        ("customer.id.deep", {"customer": {"id": 7}}, None),
        ("a", [1, 2], None),
        ("a", "text", None),
        ("a", None, None),
    ],
)
def test_body_selects_by_a_dotted_path(path, document, selected):
    assert body(path)(posted(document)) == selected


def test_body_selects_a_form_field():
    assert body("customer")(form("customer=c1&x=2")) == "c1"
    assert body("nobody")(form("customer=c1")) is None


@pytest.mark.parametrize("text", [b"{", b"not json", b"\xff"])
def test_body_refuses_what_is_neither_json_nor_a_form(text):
    with pytest.raises(Malformed):
        body("id")(Request(body=text))


def test_query_and_header():
    request = Request(query=MultiDict({"who": "q"}), headers=Headers({"X-Who": "h"}))
    assert (query("who")(request), query("else")(request)) == ("q", None)
    assert (header("x-who")(request), header("x-else")(request)) == ("h", None)


def test_a_fixed_string_and_nothing():
    assert as_selector("default")(Request()) == "default"
    assert as_selector(None)(Request()) is None


def test_callables_keep_their_names():
    def tenant(request):
        return request.query["t"]

    selector = as_selector(tenant)
    assert (selector.name, selector(Request(query=MultiDict({"t": "1"})))) == ("tenant", "1")
    assert as_selector(selector) is selector


def test_async_callables_say_so():
    async def tenant(request):
        return "later"

    selector = as_selector(tenant)
    assert selector.is_async
    assert asyncio.run(selector(Request())) == "later"


def test_objects_with_an_async_call_say_so():
    class Tenant:
        async def __call__(self, request):
            return "later"

    assert as_selector(Tenant()).is_async


def test_a_selector_that_raises_raises():
    with pytest.raises(KeyError):
        as_selector(lambda request: request.json["customer"])(posted({}))


@pytest.mark.parametrize("value", ["x", "a" * 255, "mit Leerzeichen", "日本", 7, -1])
def test_session_ids(value):
    assert checked_session_id(value) == str(value)


@pytest.mark.parametrize("value", ["", "a" * 256, "a\nb", "a\x00b", "\x7f", "\ud800", "$static:x", None, True, 1.5, {}])
def test_what_is_no_session_id(value):
    with pytest.raises(InvalidField) as caught:
        checked_session_id(value, "here")
    assert caught.value.document()["errors"][0]["field"] == "here"


@given(st.text(max_size=300))
def test_a_session_id_is_taken_as_it_is_or_refused(text):
    try:
        assert checked_session_id(text) == text
    except InvalidField:
        assert not text or len(text) > 255 or text.startswith("$") or not text.isprintable()


def test_no_client_can_name_a_static_jobs_session():
    with pytest.raises(InvalidField):
        checked_session_id(static_session_id("nightly"))
