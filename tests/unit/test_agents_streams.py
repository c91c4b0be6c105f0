"""Handlers of each kind: sync and async, whole and streamed."""

import asyncio
import threading

import pytest

from pumice import Agent, Message
from pumice.agents.turn import drive
from tests.support.turns import bench


def agent(reply, **members) -> type[Agent]:
    return type("Talker", (Agent,), {"reply": reply, **members})


def whole(self, messages):
    return "one two"


async def whole_async(self, messages):
    await asyncio.sleep(0)
    return "one two"


def streamed(self, messages):
    yield "one"
    yield " two"


async def streamed_async(self, messages):
    yield "one"
    await asyncio.sleep(0)
    yield " two"


def handed_on(self, messages):
    return iter(["one", " two"])


async def handed_on_async(self, messages):
    return streamed_async(self, messages)


async def nothing_async(self):
    await asyncio.sleep(0)


@pytest.mark.parametrize("reply", [whole, whole_async, streamed, streamed_async, handed_on, handed_on_async])
@pytest.mark.parametrize("members", [{}, {"setup": nothing_async}], ids=["", "async setup"])
def test_every_form_of_reply(reply, members):
    session = bench(agent(reply, **members))
    outcome = session.chat("hi")
    assert outcome.failure is None
    assert outcome.messages[-1] == Message("assistant", "one two")
    assert session.of("delta") == ([] if "whole" in reply.__name__ else ["one", " two"])


def test_chunks_are_sent_as_they_are_made():
    session = bench(agent(lambda self, messages: None))
    seen = []

    def reply(self, messages):
        yield "one"
        seen.append(session.of("delta"))
        yield "two"

    session.live.spec.cls.reply = reply  # type: ignore[method-assign]
    session.chat("hi")
    assert seen == [["one"]]


def hidden_await(self, messages):
    return whole_async(self, messages)


def hidden_stream(self, messages):
    return streamed_async(self, messages)


@pytest.mark.parametrize("reply", [hidden_await, hidden_stream])
def test_a_sync_reply_that_hides_an_await_fails(reply):
    failure = bench(agent(reply)).chat("hi").failure
    assert failure is not None
    assert failure.message == "a handler that awaits must be declared with async def"


def test_a_sync_handler_beside_async_ones_does_not_block_the_loop():
    threads = []

    def reply(self, messages):
        threads.append(threading.current_thread())
        yield "x"
        threads.append(threading.current_thread())

    session = bench(agent(reply, setup=nothing_async))
    session.chat("hi")
    assert all(one is not threading.main_thread() for one in threads)
    assert len(threads) == 2


def test_a_stop_iteration_in_a_thread_fails_and_does_not_hang():
    def work(self):
        next(iter(()))

    failure = bench(agent(whole, setup=nothing_async, work=work)).call("work").failure
    assert failure is not None
    assert "StopIteration" in failure.message


def test_a_stream_that_breaks_off_is_closed_at_once():
    happened = []

    async def reply(self, messages):
        try:
            yield "one"
            yield 2
        finally:
            happened.append("closed")

    def on_error(self, error):
        happened.append("told")

    session = bench(agent(reply, on_error=on_error))
    outcome = session.chat("hi")
    assert (outcome.status, happened, session.of("delta")) == ("failed", ["closed", "told"], ["one"])


def test_drive_refuses_a_coroutine_that_suspends():
    with pytest.raises(TypeError, match="async def"):
        drive(asyncio.sleep(0))
