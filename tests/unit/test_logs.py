"""One event is one line that can be read back, whatever is in it; secrets are masked; outages are logged twice."""

import io
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.logs import CONTINUED, LONGEST, Outage, get_logger, masked, set_up_logging

text = st.text(max_size=50)


@pytest.fixture(autouse=True)
def _restored():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(form: str, *events: Any, level: str = "info") -> list[str]:
    """What is written of these events, as `(name, fields)`."""
    stream = io.StringIO()
    set_up_logging(level, form=form, timed=False, stream=stream)
    for name, fields in events:
        get_logger("pumice.test").info(name, **fields)
    return stream.getvalue().split("\n")[:-1]


@given(text, text)
def test_a_json_line_gives_back_what_it_was_given(name, value):
    (line,) = lines("json", (name, {"session": value}))
    read = json.loads(line)
    cleaned = value.encode(errors="backslashreplace").decode()
    assert read["session"] == masked(cleaned)
    assert (read["level"], read["logger"]) == ("info", "pumice.test")


@given(text, text)
def test_a_text_line_is_one_line_and_its_fields_can_be_told_apart(name, value):
    (line,) = lines("text", (name, {"session": value, "after": "x"}))
    assert line.isprintable()
    assert len(line.splitlines()) == 1
    assert line.startswith("I pumice.test ")
    assert line.endswith(" after=x")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("s1", "s1"),
        ("octocat/hello-world", "octocat/hello-world"),
        ("a b", '"a b"'),
        ("a=b", '"a=b"'),
        ('say "x"', '"say \\"x\\""'),
        ("a\nE pumice.worker dead", '"a\\nE pumice.worker dead"'),
        ("\x1b[31mred", '"\\u001b[31mred"'),
        ("one\u2028two", '"one\\u2028two"'),
        ("", '""'),
        (7, "7"),
        (None, "None"),
    ],
)
def test_a_value_is_quoted_when_it_must_be(value, shown):
    assert lines("text", ("e", {"v": value})) == [f"I pumice.test e v={shown}"]


def test_a_traceback_can_not_pass_for_other_lines():
    stream = io.StringIO()
    set_up_logging("info", timed=False, stream=stream)
    try:
        int("first\nE pumice.worker dead agent=desk")
    except ValueError:
        get_logger("pumice.test").exception("failed", one=1)
    first, *rest = stream.getvalue().splitlines()
    assert first == "E pumice.test failed one=1"
    assert rest
    assert all(line.startswith(CONTINUED) for line in rest)


def test_records_of_other_libraries_and_authors_are_formed_alike():
    stream = io.StringIO()
    set_up_logging("info", form="json", stream=stream)
    logging.getLogger("authors.own").warning("stored %d\nrows", 7, extra={"table": "orders"})
    read = json.loads(stream.getvalue())
    assert (read["event"], read["table"], read["logger"]) == ("stored 7\nrows", "orders", "authors.own")


def test_a_value_that_can_not_be_shown_costs_no_line():
    class Silent:
        def __str__(self):
            raise RuntimeError("no")

    assert lines("text", ("e", {"v": Silent(), "n": 2**70}))[0].startswith('I pumice.test e v="<Silent: RuntimeError>"')
    assert json.loads(lines("json", ("e", {"n": 2**70}))[0])["n"] == str(2**70)


def test_long_values_are_cut():
    (line,) = lines("text", ("e", {"v": "x" * 10_000}))
    assert len(line) < LONGEST + 50


@pytest.mark.parametrize(
    "text",
    [
        "GET /v1?agent_id=desk&api_key=KEY&sessionId=s",
        "GET /v1/agentId=desk/apiKey=KEY/sessionId=s",
        "x-api-key: KEY",
        "sessionToken=KEY",
        "api%5Fkey=x pub_KEYKEYKEYKEYKEYKEYKEYKEY",
        "key sec_KEYKEYKEYKEYKEYKEYKEYKEY is wrong",
        "eyJhbGciOiJIUzI1NiJ9.KEY.KEY",
    ],
)
def test_keys_and_tokens_are_masked(text):
    (line,) = lines("text", (text, {"path": text}))
    assert "KEY" not in line
    assert "***" in line


def test_an_outage_is_logged_when_it_begins_and_when_it_ends():
    stream = io.StringIO()
    set_up_logging("info", timed=False, stream=stream)
    outage = Outage(get_logger("pumice.test"), "postgres")
    outage.ends()
    for _ in range(100):
        outage.begins(error="refused")
    assert outage
    outage.ends()
    outage.ends()
    assert not outage
    began, ended = stream.getvalue().splitlines()
    assert began == "W pumice.test postgres_away error=refused"
    assert ended.startswith("I pumice.test postgres_back after=0.0s times=100")
