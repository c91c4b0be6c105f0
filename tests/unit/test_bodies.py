"""Bodies as senders write them: compressed, in other charsets, JSON in forms, half surrogate pairs."""

import gzip
import json
import zlib
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from pumice import Malformed, Request, TooLarge, UnsupportedMedia, body
from pumice.agents.body_text import DECODED_BYTES

FORM = "application/x-www-form-urlencoded"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def made(data, kind="application/json", encoding=None):
    headers = [("Content-Type", kind), *([("Content-Encoding", encoding)] if encoding else [])]
    return Request(headers=Headers(headers), body=data)


def plain_deflate(data):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("pack", "encoding"),
    [
        (gzip.compress, "gzip"),
        (gzip.compress, "X-GZIP"),
        (zlib.compress, "deflate"),
        (plain_deflate, "deflate"),
        (lambda data: gzip.compress(zlib.compress(data)), "deflate, gzip"),
        (lambda data: data, "identity"),
    ],
)
def test_compressed_bodies_are_read_and_their_bytes_kept(pack, encoding):
    packed = pack(b'{"a": 1}')
    request = made(packed, encoding=encoding)
    assert (request.json, request.text, request.body) == ({"a": 1}, '{"a": 1}', packed)


@pytest.mark.parametrize("wrong", [b"not gzip", gzip.compress(b"x" * 100)[:-9], b""])
def test_a_broken_compressed_body_is_malformed(wrong):
    with pytest.raises(Malformed):
        _ = made(wrong, encoding="gzip").content


def test_a_bomb_is_too_large_and_an_unknown_encoding_unsupported():
    with pytest.raises(TooLarge):
        _ = made(gzip.compress(b"0" * (DECODED_BYTES + 1)), encoding="gzip").json
    with pytest.raises(UnsupportedMedia):
        _ = made(b"x", encoding="br").json


@pytest.mark.parametrize(
    "text",
    [
        b'\xef\xbb\xbf{"a": "\xc3\xa4"}',
        '{"a": "ä"}'.encode("utf-16"),
        b"\xff\xfe\x00\x00" + '{"a": "ä"}'.encode("utf-32-le"),
    ],
)
def test_a_byte_order_mark_is_heeded(text):
    assert made(text).json == {"a": "ä"}


def test_declared_charsets_of_json_and_text():
    assert made('{"a": "€"}'.encode("windows-1252"), "application/json; charset=windows-1252").json == {"a": "€"}
    assert made("ä".encode("latin-1"), "text/plain; charset=ISO-8859-1").text == "ä"
    assert made("ä".encode(), "text/plain; charset=no-such").text == "ä"
    assert made(b"\x00", "text/plain; charset=base64").text == "\x00"


def test_half_a_surrogate_pair_becomes_the_replacement_character():
    assert made(rb'{"t\udc00": ["so glad \ud83d", "\ud83d\ude00"]}').json == {"t\ufffd": ["so glad \ufffd", "😀"]}
    with pytest.raises(Malformed):
        _ = made(rb'{"t": "\ud83d", "n": NaN}').json


@given(VALUES)
def test_json_is_read_as_the_standard_library_reads_it(value):
    assert made(json.dumps(value).encode()).json == json.loads(json.dumps(value))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"name=%E4", FORM),
        (b"name=\xe4", FORM),
        (b"name=%E4", f"{FORM}; charset=iso-8859-1"),
        (b"name=%C3%A4", FORM),
        (b"name=%C3%A4", f"{FORM}; charset=utf-8"),
        (b"name=%E4&charset=windows-1252", FORM),
    ],
)
def test_forms_in_older_charsets(data, kind):
    assert made(data, kind).form["name"] == "ä"


def test_the_euro_sign_of_a_windows_form():
    assert made(b"price=%80", FORM).form["price"] == "€"


PAYLOAD = {"type": "block_actions", "user": {"id": "U1"}, "list": [{"x": 1}]}


@pytest.mark.parametrize(
    ("data", "kind", "path", "found"),
    [
        (urlencode({"payload": json.dumps(PAYLOAD)}), FORM, "payload.user.id", "U1"),
        (urlencode({"payload": json.dumps(PAYLOAD)}), FORM, "user.id", "U1"),
        (urlencode({"payload": json.dumps(PAYLOAD)}), FORM, "list.0.x", 1),
        (urlencode({"events": '[{"_id": 7}]'}), FORM, "events.0._id", 7),
        (json.dumps(PAYLOAD), FORM, "user.id", "U1"),
        ("user[id]=7&user[names][0]=a", FORM, "user.id", "7"),
        ("user[id]=7&user[names][0]=a", FORM, "user.names.0", "a"),
        (f"order[data]={quote_plus(json.dumps(PAYLOAD))}", FORM, "order.data.user.id", "U1"),
        ("user.id=7", FORM, "user.id", None),
        ("{not json}=1&user[id]=7", FORM, "user.id", "7"),
        ("payload=plain", FORM, "payload.user", None),
        ("payload=plain", FORM, "payload", "plain"),
        ("", "text/plain", "user.id", None),
        ("", "application/json", "user.id", None),
        (json.dumps(PAYLOAD), "text/plain", "user.id", "U1"),
        (json.dumps(PAYLOAD), "application/json", "list.00000000000001.x", None),
        (json.dumps({"a": {"get": 1}}), "application/json", "a.get", 1),
        (json.dumps({"a": 5}), "application/json", "a.b", None),
    ],
)
def test_body_finds_a_field_however_it_was_written(data, kind, path, found):
    assert body(path)(made(data.encode(), kind)) == found


def test_the_last_of_two_equal_keys_counts_as_everywhere():
    assert body("a")(made(b'{"a": 1, "a": 2}')) == 2


def test_a_required_field_that_is_missing_is_malformed():
    with pytest.raises(Malformed, match=r"body\('a.b'\) is required"):
        body("a.b", required=True)(made(b'{"a": {}}'))
    assert body("a", required=True)(made(b'{"a": 0}')) == 0
