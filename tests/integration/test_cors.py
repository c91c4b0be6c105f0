"""CORS: which pages from elsewhere may read what is answered, and what they may send."""

import pytest

from tests.support.client import chat_body

PAGE = "https://page.example"
JSON = "application/json"
OTHERS = ["https://page.example.evil.example", "http://page.example", "null", "*", PAGE.upper()]
SHOWN = {"location", "retry-after", "www-authenticate", "x-interaction-id"}
ASKED = {
    *("accept", "authorization", "content-type", "idempotency-key", "last-event-id", "prefer"),
    *("x-api-key", "x-session-id", "x-session-token"),
}


def words(header):
    return {one.strip().lower() for one in header.split(",")}


def preflight(client, path, origin=PAGE, method="POST"):
    asking = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": "x-api-key"}
    return client.http.options(path, headers=asking)


@pytest.mark.parametrize("path", ["/v1/chat", "/v1/agents/echo/sessions/x/events", "/nowhere"])
def test_a_preflight_says_what_may_be_sent(echo, path):
    answer = preflight(echo, path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert words(answer.headers["access-control-allow-headers"]) == ASKED
    assert words(answer.headers["access-control-allow-methods"]) >= {"get", "post", "put", "patch", "delete"}
    assert int(answer.headers["access-control-max-age"]) > 0


CALLS = {
    "an answer": ("POST", "/v1/chat", {"json": chat_body("x")}, 200),
    "a stream": ("POST", "/v1/chat", {"json": chat_body("x"), "headers": {"accept": "text/event-stream"}}, 200),
    "acceptance": ("POST", "/v1/chat", {"json": chat_body("x"), "headers": {"prefer": "respond-async"}}, 202),
    "a wrong key": ("POST", "/v1/chat", {"json": chat_body("x"), "headers": {"x-api-key": "pub_x"}}, 401),
    "no such address": ("GET", "/nowhere", {}, 404),
    "no such method": ("DELETE", "/v1/chat", {}, 405),
    "too much": (
        "POST",
        "/v1/chat",
        {"content": b"x" * 10_000_001, "headers": {"content-type": "application/json"}},
        413,
    ),
    "no JSON": ("POST", "/v1/chat", {"content": "x", "headers": {"content-type": "text/plain"}}, 415),
    "a wrong field": ("POST", "/v1/chat", {"json": {"messages": 1}}, 422),
    "health": ("GET", "/healthz", {}, 200),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_page_may_read(echo, call):
    method, path, options, status = call
    headers = {**echo.public, "origin": PAGE, **options.get("headers", {})}
    answer = echo.http.request(method, path, **{**options, "headers": headers})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == "*"
    assert words(answer.headers["access-control-expose-headers"]) >= SHOWN


def test_a_request_of_no_page_is_told_nothing(echo):
    assert "access-control-allow-origin" not in echo.http.get("/healthz").headers


@pytest.fixture(scope="module")
def strict(stack):
    with stack.front(ALLOWED_ORIGINS=f"{PAGE}, https://fine.example") as front:
        yield stack.agent("echo", front.url)


@pytest.mark.parametrize("origin", [PAGE, "https://fine.example"])
def test_a_named_origin_is_named_back(strict, origin):
    for answer in (strict.chat("x", headers={"origin": origin}), preflight(strict, "/v1/chat", origin)):
        assert answer.headers["access-control-allow-origin"] == origin
        assert "origin" in words(answer.headers["vary"])


@pytest.mark.parametrize(
    "origin", ["https://page.example.evil.example", "http://page.example", "null", "*", PAGE.upper()]
)
def test_another_origin_may_read_nothing(strict, origin):
    for answer in (strict.chat("x", headers={"origin": origin}), preflight(strict, "/v1/chat", origin)):
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "origin" in words(answer.headers["vary"])


def test_what_is_answered_depends_on_the_origin_also_where_there_is_none(strict):
    assert "origin" in words(strict.http.get("/healthz").headers["vary"])
