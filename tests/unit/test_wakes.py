"""Which sessions share a message."""

import pytest

from pumice.messaging.wakes import CHAT_MESSAGES, FAN_OUT, RUN_SESSIONS, TaskMessage, Wake, _messages

SIZE = 100


def sizes(batch):
    """How many sessions each message names, by queue; all of them in order, and each once."""
    found: dict[str, list[int]] = {}
    named = []
    for queue, task, (keys,) in _messages(batch, SIZE):
        assert task == RUN_SESSIONS
        found.setdefault(queue, []).append(len(keys))
        named += keys
    assert named == [[one.agent_id, one.session_id] for one in dict.fromkeys(batch)]
    return found


def wakes(kind, count, **fields):
    return [Wake.of("a", f"s{number}", kind, **fields) for number in range(count)]


@pytest.mark.parametrize(
    ("count", "messages"),
    [(1, [1]), (CHAT_MESSAGES, [1] * 16), (31, [1] * 31), (32, [2] * 16), (163, [10] * 16 + [3]), (5000, [100] * 50)],
)
def test_chats_share_messages_only_in_a_crowd(count, messages):
    assert sizes(wakes("chat", count)) == {"chat": messages}


def test_hooks_and_jobs_share_messages():
    assert sizes(wakes("hook", 250)) == {"hooks": [100, 100, 50]}
    assert sizes(wakes("job", 1)) == {"jobs": [1]}


def test_a_session_is_woken_once_and_by_itself_if_it_asks_for_that():
    assert sizes([*wakes("hook", 2, alone=True), *wakes("hook", 2, alone=True)]) == {"hooks": [1, 1]}


def test_orders_stay_as_they_are():
    order = TaskMessage("jobs", FAN_OUT, ["a", "job", "2026-01-01T00:00:00+00:00"])
    assert _messages([order], SIZE) == [("jobs", FAN_OUT, order.arguments)]
