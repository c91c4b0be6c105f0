"""How much a body may hold, and that forms are read whole."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers, MultiDict

from pumice import Request
from pumice.agents.body_bounds import JSON_VALUES
from pumice.agents.body_text import parse_json
from pumice.agents.forms import FORM_FIELDS, FORM_PARTS, SLICE
from pumice.errors import TooLarge

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
MULTIPART = "multipart/form-data; boundary=x"


def form(body: bytes, content_type: str = "application/x-www-form-urlencoded") -> MultiDict[str, str]:
    return Request(headers=Headers({"Content-Type": content_type}), body=body).form


@pytest.mark.parametrize("value", [b"[]", b"{}", b"0", b'""', b'{"a":0}', rb'"\\"', rb'"\""'])
def test_json_has_a_bounded_number_of_values(value):
    few = b"[" + b",".join([value] * (JSON_VALUES // 5)) + b"]"
    assert len(parse_json(few)) == JSON_VALUES // 5
    with pytest.raises(TooLarge):
        parse_json(b"[" + b",".join([value] * (JSON_VALUES * 2)) + b"]")


@pytest.mark.parametrize("text", [b"a,b", b"[{", rb"\",", rb"\\,"])
def test_what_stands_in_a_text_is_no_value(text):
    assert len(parse_json(b'{"text":"' + text * JSON_VALUES + b'"}')["text"]) > JSON_VALUES


@given(st.lists(st.tuples(TEXT, TEXT)))
def test_urlencoded_fields_come_as_they_were(pairs):
    assert form(urlencode(pairs).encode()) == MultiDict(pairs)


@pytest.mark.parametrize("text", ["é" * SLICE, "%" * SLICE, "a" + "é%" * SLICE, "x" * (SLICE - 2) + "ж" * 100])
def test_a_long_value_is_decoded_whole(text):
    assert form(urlencode({"a": text}).encode())["a"] == text


def test_escapes_that_are_none_stay_as_they_are():
    assert form(b"a=" + b"%" * (3 * SLICE))["a"] == "%" * (3 * SLICE)


def test_forms_have_a_bounded_number_of_fields():
    assert len(form(b"&".join([b"a=1"] * FORM_FIELDS)).getlist("a")) == FORM_FIELDS
    with pytest.raises(TooLarge):
        form(b"&".join([b"a=1"] * (FORM_FIELDS + 1)))


def test_forms_have_a_bounded_number_of_parts():
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    assert len(form(part * FORM_PARTS + b"--x--", MULTIPART).getlist("a")) == FORM_PARTS
    with pytest.raises(TooLarge):
        form(part * (FORM_PARTS + 2) + b"--x--", MULTIPART)
