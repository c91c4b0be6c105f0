"""How a difference looks in a terminal."""

from pumice.agents.json_patch import diff
from pumice.cli.diff import rendered


def lines(old, new):
    return [*rendered(old, diff(old, new))]


def test_each_operation_is_a_line_with_what_was_before():
    old = {"a": 1, "list": [1, 2, 3], "gone": {"x": "y"}}
    assert lines(old, {"a": 2, "list": [1, 3], "new": "é"}) == [
        '- /gone: {"x": "y"}',
        '+ /new: "é"',
        "~ /a: 1 -> 2",
        "- /list/1: 2",
    ]
    assert lines({"a": 1, "b": 2}, {"b": 2, "a": 1}) == ["~ /b: moved to the end", "~ /a: moved to the end"]
    assert lines(1, 2) == ["~ /: 1 -> 2"]


def test_what_could_steer_a_terminal_is_escaped_and_long_values_are_cut():
    assert "\x1b" not in lines({}, {"a": "\x1b[31m", "\x1b": 1})[0]
    assert lines({}, {"a": "x" * 5_000})[0].endswith("… (5002 characters)")
