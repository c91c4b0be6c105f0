"""`GET /v1/interactions/<id>` says when each thing happened, and why what did not run did not."""

from datetime import datetime
from typing import Any

from tests.support.client import AgentClient, new_session
from tests.support.control import accept, cancel, send_hook, wait_accepted
from tests.support.gates import Gate
from tests.support.waiting import wait_until

TIMES = ("acceptedAt", "wokenAt", "startedAt", "finishedAt")


def times(document: dict[str, Any]) -> list[datetime]:
    return [datetime.fromisoformat(document[name]) for name in TIMES]


def test_the_times_of_a_turn_are_in_order(control, tmp_path):
    agent, gate, session = control.agent("plain"), Gate(tmp_path), new_session()
    first, second = accept(agent, f"gate:{gate}", session), accept(agent, "x", session)
    gate.reached()
    waiting = agent.interaction(second).json()
    assert (waiting["status"], waiting["wokenAt"], waiting["startedAt"]) == ("queued", None, None)
    [opened] = control.query("select clock_timestamp() as now")
    gate.open()
    documents = [agent.finished(one) for one in (first, second)]
    assert [times(one) == sorted(times(one)) for one in documents] == [True, True]
    assert times(documents[0])[2] < opened["now"] < times(documents[0])[3]
    assert times(documents[0])[3] <= times(documents[1])[3]
    assert times(documents[1])[2] > opened["now"]
    assert [one["attempts"] for one in documents] == [1, 1]


def test_a_retried_one_keeps_when_it_was_first_woken(control):
    flaky = control.agent("flaky")
    one = send_hook(flaky, "retried", new_session(), times=1)
    failed = wait_until(lambda: next(iter(waiting_for_retry(flaky, one)), None))
    assert failed is not None
    assert failed["availableAt"] > failed["wokenAt"]
    error = {"attempt": 1, "code": "handler-failed", "type": "ConnectionError"}
    assert failed["errors"][0] == error
    done = flaky.finished(one)
    assert done["wokenAt"] == failed["wokenAt"]
    assert times(done) == sorted(times(done))
    assert done["startedAt"] > done["availableAt"]


def waiting_for_retry(agent: AgentClient, interaction_id: str) -> list[dict[str, Any]]:
    document = agent.interaction(interaction_id).json()
    return [document] if document["errors"] and document["status"] == "queued" else []


def test_what_is_scheduled_says_for_when(control):
    agent, session = control.agent("hanging"), new_session()
    planned = agent.hook("plan", params={"session": session, "after": 3600}).json()["id"]
    document = agent.interaction(planned).json()
    ahead = datetime.fromisoformat(document["availableAt"]) - datetime.fromisoformat(document["acceptedAt"])
    assert (document["status"], document["kind"], round(ahead.total_seconds())) == ("queued", "call", 3600)


def test_why_it_was_cancelled(control, tmp_path):
    agent, gate, session = control.agent("plain"), Gate(tmp_path), new_session()
    running, waiting = accept(agent, f"gate:{gate}", session), accept(agent, "x", session)
    gate.reached()
    cancel(agent, session, queued=True)
    gate.open()
    ran, waited = (agent.interaction(one).json() for one in (running, waiting))
    assert ran["reason"] == waited["reason"] == "cancelled through the API"
    assert times(ran) == sorted(times(ran))
    assert (waited["wokenAt"], waited["startedAt"]) == (None, None)


def test_why_it_was_superseded(control, tmp_path):
    agent, gate, session = control.agent("latest"), Gate(tmp_path), new_session()
    accept(agent, f"gate:{gate}", session)
    gate.reached()
    dropped, newest = accept(agent, "b", session), accept(agent, "c", session)
    gate.open()
    document = agent.interaction(dropped).json()
    assert (document["status"], document["supersededBy"]) == ("skipped", newest)
    assert document["startedAt"] is None
    assert document["acceptedAt"] <= document["finishedAt"]


def test_why_it_is_dead(control):
    flaky = control.agent("flaky")
    document = flaky.finished(send_hook(flaky, "retried", new_session(), times=9))
    assert document["reason"] == "dead after attempt 3: ConnectionError"
    assert [error["attempt"] for error in document["errors"]] == [1, 2, 3]
    assert times(document) == sorted(times(document))


def test_why_a_run_of_a_job_was_skipped(control, tmp_path):
    agent, gate, session = control.agent("timekeeper"), Gate(tmp_path), new_session()
    agent.reply(str(gate), session)
    tick(control, "2031-01-01")
    gate.reached()
    tick(control, "2032-01-01")
    rows = wait_accepted(agent, session, 3)
    gate.open()
    ran, skipped = (row for row in rows if row["kind"] == "job")
    assert agent.finished(ran["interactionId"])["status"] == "done"
    assert (skipped["status"], skipped["scheduledFor"][:4]) == ("skipped", "2032")
    assert skipped["reason"] == "overlap: the previous run was not finished"
    assert skipped["startedAt"] is None
    assert skipped["finishedAt"] is not None
    assert agent.state(session)["runs"] == 1


def tick(control, due: str) -> None:
    """A tick that nobody has fanned out yet, so that rescue does."""
    control.query(
        "insert into ticks (agent_id, job, scheduled_for, progressed_at)"
        " values ('timekeeper', 'yearly', %s, now() - interval '1 minute')",
        f"{due}T00:00:00+00:00",
    )
