"""What a wake carries, and when a front hands a chat over."""

import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.agents.context import new_id
from pumice.logs import Outage, get_logger
from pumice.messaging import handed_chats
from pumice.messaging.handed_chats import LATEST, MOST, HandedChats, handed_over, read_chats
from pumice.messaging.wakes import RUN_SESSIONS
from pumice.sessions.accept import NewInteraction
from pumice.settings import Settings
from pumice.web.http import hand_over
from pumice.web.http.hand_over import LARGEST, HandOver

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=10)


def chat(session: str = "s", **fields: Any) -> NewInteraction:
    given = {"name": None, "payload": '{"messages": []}', "reply_to": "front", **fields}
    return NewInteraction(new_id(), "agent", session, "chat", **given)


def late() -> NewInteraction:
    return replace(chat(), id="018bcfe5-6800-7000-8000-000000000000")  # of November 2023


@pytest.mark.parametrize("temporary", [False, True])
def test_a_chat_comes_through(temporary):
    one = chat(temporary=temporary, unnamed=temporary)
    message = handed_over(one, "new")
    assert (message.queue, message.task, message.arguments[0]) == ("chat.new", RUN_SESSIONS, [["agent", "s"]])
    assert read_chats(message.arguments) == [one]


def test_a_plain_wake_carries_none():
    assert read_chats([[["agent", "s"]]]) == []


@given(st.lists(JSON, max_size=3))
def test_whatever_else_a_message_holds_is_no_chat(arguments):
    assert read_chats(arguments) == []


@given(st.integers(0, 5), JSON)
def test_a_chat_with_a_field_of_another_form_is_none(place, value):
    fields = handed_over(chat()).arguments[1][0]
    if type(fields[place]) is type(value) and place:
        return
    fields[place] = value
    assert read_chats([[], [fields]]) == []


def test_what_is_late_is_left_out():
    assert read_chats(handed_over(late()).arguments) == []
    waiting = HandedChats()
    waiting.put([late(), one := chat()])
    assert waiting.take([("agent", "s")]) == [one]


def test_each_is_taken_once_and_by_its_session():
    waiting = HandedChats()
    waiting.put([one := chat(), two := chat(), other := chat("t")])
    assert waiting.take([("agent", "s"), ("agent", "u")]) == [one, two]
    assert waiting.take([("agent", "s")]) == []
    assert waiting.take([["agent", "t"]]) == [other]


def test_what_is_never_taken_does_not_gather(monkeypatch):
    waiting = HandedChats()
    waiting.put(chat(str(number)) for number in range(MOST + 1))
    monkeypatch.setattr(handed_chats, "LATEST", -1.0)
    waiting.put([chat("new")])
    assert len(waiting._waiting) == 1
    assert LATEST > 0


class Wakes:
    """Takes messages, and may set what the sender waits for."""

    def __init__(self, over: threading.Event | None = None) -> None:
        self.sent: list[Any] = []
        self.over = over
        self.here = True

    def send(self, message: Any) -> bool:
        self.sent.append(message)
        if self.over is not None:
            self.over.set()
        return self.here


def agent(on_busy: str = "queue", name: str = "agent") -> Any:
    return SimpleNamespace(id=name, cls=SimpleNamespace(on_busy=on_busy))


def handing(wakes: Any, away: bool = False, **environ: str) -> HandOver:
    settings = {"DATABASE_URL": "postgresql://nowhere/none", "REDIS_URL": "redis://nowhere", **environ}
    store_away = Outage(get_logger("test"), "postgres")
    if away:
        store_away.begins()
    return HandOver(Settings.from_env(settings), wakes, store_away)


NOT_TAKEN = [
    pytest.param({}, agent("reject"), {}, id="policy"),
    pytest.param({"dedupe": ("chat", "key")}, agent(), {}, id="repeat-key"),
    pytest.param({"reply_to": None}, agent(), {}, id="nobody-waits"),
    pytest.param({"payload": "x" * (LARGEST + 1)}, agent(), {}, id="large"),
    pytest.param({}, agent(), {"BROKER_URL": "amqp://nowhere"}, id="other-broker"),
    pytest.param({}, agent(), {"STOCK": "celery"}, id="celery-reads"),
]


@pytest.mark.parametrize(("fields", "spec", "environ"), NOT_TAKEN)
def test_what_is_accepted_first(fields, spec, environ):
    assert not handing(Wakes(), **environ).takes(spec, chat(**fields))
    assert handing(Wakes()).takes(agent(), chat())
    assert not handing(Wakes()).takes(agent(), replace(chat(), kind="hook"))


def test_while_postgres_is_away_the_front_accepts():
    assert not handing(Wakes(), away=True).takes(agent(), chat())


def test_a_chat_that_is_finished_in_time_is_not_accepted_again():
    over = threading.Event()
    hands = handing(wakes := Wakes(over))
    assert hands.finishes(chat(), over)
    assert hands.takes(agent(), chat())
    assert len(wakes.sent) == 1


@pytest.mark.parametrize("here", [True, False])
def test_after_one_that_was_not_its_agents_chats_are_accepted_first_for_a_while(monkeypatch, here):
    monkeypatch.setattr(hand_over, "PATIENCE", 0.0)
    hands = handing(wakes := Wakes())
    wakes.here = here
    assert not hands.finishes(chat(), threading.Event())
    assert not hands.takes(agent(), chat())
    assert hands.takes(agent(name="other"), chat())
    monkeypatch.setattr("pumice.web.http.hand_over.time.monotonic", lambda: 1e12)
    assert hands.takes(agent(), chat())


def test_a_crowd_is_left_to_the_group_commit(monkeypatch):
    monkeypatch.setattr(hand_over, "MOST", 1)
    assert _taken_meanwhile(chat("other")) == [False]


def test_a_sessions_chats_are_handed_over_one_at_a_time():
    assert _taken_meanwhile(chat()) == [False]
    assert _taken_meanwhile(chat("other")) == [True]


def _taken_meanwhile(another: NewInteraction) -> list[bool]:
    """Whether another chat is taken while one is under way."""
    inside: list[bool] = []

    def send(_message: Any) -> bool:
        inside.append(hands.takes(agent(), another))
        return False

    hands: HandOver = handing(SimpleNamespace(send=send))
    hands.finishes(chat(), threading.Event())
    return inside
