"""Nothing is acknowledged before it is committed in Postgres, whichever way it came."""

from collections.abc import Callable
from concurrent.futures import TimeoutError as NotYetError
from contextlib import contextmanager

import psycopg
import pytest

from tests.support.client import AgentClient, new_session
from tests.support.control import ASYNC, started
from tests.support.waiting import wait_until

HELD = 0.3
"""Seconds for which an answer has to stay away while the store holds up its commit; a wrong one takes milliseconds."""


def _chat(agent: AgentClient, session: str) -> bool:
    return agent.chat("x", session, headers=ASYNC).status_code == 202


def _stream(agent: AgentClient, session: str) -> bool:
    with agent.stream("x", session) as events:
        return any(event.type == "accepted" for event in events)


def _hook(agent: AgentClient, session: str) -> bool:
    return agent.hook("inspect", params={"session": session}, headers=ASYNC).status_code == 202


def _socket(agent: AgentClient, session: str) -> bool:
    with agent.socket(session) as socket:
        socket.until("session")
        socket.send("x")
        return bool(socket.until("accepted"))


@pytest.mark.parametrize(("name", "send"), [("echo", _chat), ("echo", _stream), ("receiver", _hook), ("echo", _socket)])
def test_the_answer_waits_for_the_commit(stack, name: str, send: Callable[[AgentClient, str], bool]) -> None:
    agent, session = stack.agent(name), new_session()
    agent.sessions("", "POST", json={"sessionId": session})
    with _accepting_held_up(stack.database_url) as waits:
        acknowledged = started(send, agent, session)
        wait_until(lambda: waits() or acknowledged.done(), what="the front's insert, held up by a lock")
        with pytest.raises(NotYetError):
            acknowledged.result(HELD)
    assert acknowledged.result(20)
    assert len(agent.interactions(session)) == 1


@contextmanager
def _accepting_held_up(database_url: str):
    """No interaction can be inserted; gives a function that says whether one waits to be."""
    with psycopg.connect(database_url) as holder, psycopg.connect(database_url, autocommit=True) as watcher:
        holder.execute("lock table interactions in share row exclusive mode")
        yield lambda: watcher.execute(
            "select 1 from pg_locks where relation = 'interactions'::regclass and not granted"
        ).fetchone()
        holder.rollback()
