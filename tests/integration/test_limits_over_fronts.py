"""The limits of queues hold over all fronts, count what is due, and one full queue holds up no other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.client import AgentClient, new_session
from tests.support.control import ASYNC, accept, locked, send_hook, started, wait_locked_out
from tests.support.gates import Gate
from tests.support.stack import Process, Stack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.faults

LIMIT = 5
SMALL = {"QUEUE_LIMIT": str(LIMIT), "AGENT_QUEUE_LIMIT": "8"}


@pytest.fixture(scope="module")
def fronts(control: Stack) -> Iterator[list[Process]]:
    """Two fronts with small queues."""
    with control.front(**SMALL) as one, control.front(**SMALL) as two:
        yield [one, two]


def clients(control: Stack, agent: str, fronts: list[Process]) -> list[AgentClient]:
    return [control.agent(agent, front.url) for front in fronts]


def test_two_fronts_at_the_same_moment_take_no_more_than_the_limit(control, fronts, tmp_path):
    agents, gate, session = clients(control, "plain", fronts), Gate(tmp_path), new_session()
    accept(agents[0], f"gate:{gate}", session)
    gate.reached()
    with ThreadPoolExecutor(16) as pool:
        sent = list(pool.map(lambda n: agents[n % 2].chat("x", session, headers=ASYNC).status_code, range(24)))
    assert sorted(sent) == [202] * (LIMIT - 1) + [429] * (24 - LIMIT + 1)
    assert len(agents[0].interactions(session)) == LIMIT
    gate.open()
    wait_until(lambda: agents[1].chat("y", session).status_code == 200)


def test_a_front_that_has_just_begun_knows_what_others_took(control, fronts, tmp_path):
    agent, gate, session = control.agent("plain", fronts[0].url), Gate(tmp_path), new_session()
    for text in (f"gate:{gate}", *"abcd"):
        accept(agent, text, session)
    with control.front(**SMALL) as front:
        assert control.agent("plain", front.url).chat("x", session, headers=ASYNC).status_code == 429
    gate.open()


def test_an_agents_limit_holds_over_fronts_too(control, fronts, tmp_path):
    agents, gates = clients(control, "mixed-chunks", fronts), [Gate(tmp_path, str(number)) for number in range(8)]
    for number, gate in enumerate(gates):
        accept(agents[number % 2], f"gate:{gate}", new_session())
    answers = [agent.chat("x", new_session(), headers=ASYNC) for agent in agents]
    assert [answer.status_code for answer in answers] == [429, 429]
    for gate in gates:
        gate.open()
    wait_until(lambda: agents[0].chat("x", new_session(), headers=ASYNC).status_code == 202)


def test_what_is_scheduled_for_later_takes_no_room(control, fronts):
    agent, session = control.agent("hanging", fronts[0].url), new_session()
    for _ in range(10):
        plan = agent.hook("plan", params={"session": session, "after": 86_400})
        assert plan.status_code == 200
    assert agent.chat("x", session).status_code == 200
    assert control.query("select count(*) as n from interactions where session_id = %s and status = 'queued'", session)[
        0
    ] == {"n": 10}


def test_a_repeat_needs_no_room(control, fronts, tmp_path):
    agent, gate, session = control.agent("plain", fronts[0].url), Gate(tmp_path), new_session()
    key = {"Idempotency-Key": session}
    first = accept(agent, f"gate:{gate}", session, **key)
    gate.reached()
    for text in "abcd":
        accept(agent, text, session)
    assert agent.chat("x", session, headers=ASYNC).status_code == 429
    assert wait_until(lambda: accepted(agent, f"gate:{gate}", session, key)) == first
    gate.open()


def accepted(agent: AgentClient, text: str, session: str, headers: dict[str, str]) -> str | None:
    answer = agent.chat(text, session, headers=ASYNC | headers)
    return answer.json()["interactionId"] if answer.status_code == 202 else None


def test_a_session_that_somebody_locks_holds_up_no_other(control, fronts):
    agent = control.agent("rejecting", fronts[0].url)
    stuck = [new_session() for _ in range(3)]
    for session in stuck:
        agent.reply("a", session)
    with locked(control, stuck[0]):
        waiting = [started(agent.chat, "b", stuck[0]) for _ in range(3)]
        wait_locked_out(control)
        assert agent.chat("b", stuck[1]).status_code == 200
        assert send_hook(agent, "nudge", stuck[2])
    statuses = sorted(one.result(10).status_code for one in waiting)
    assert statuses[0] == 200
    assert set(statuses) <= {200, 409}
