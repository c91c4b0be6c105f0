"""Schedules on a front and a worker: what a session asks for later happens, once, when it is due."""

from datetime import datetime
from typing import Any
from urllib.parse import quote

from tests.support.client import AgentClient, new_session
from tests.support.gates import Gate
from tests.support.waiting import wait_until


def listed(planner: AgentClient, session: str) -> dict[str | None, dict[str, Any]]:
    found = planner.sessions(f"/{session}/schedules").json()["schedules"]
    return {one["key"]: one for one in found}


def runs(planner: AgentClient, session: str) -> list[dict[str, Any]]:
    return [one for one in planner.interactions(session) if one["kind"] == "call"]


def told(planner: AgentClient, session: str, *what: str) -> list[dict[str, Any]]:
    """The runs of a session, once it was told this."""
    wait_until(lambda: planner.state(session)["told"] == list(what), 20, f"{what} in {session}")
    return runs(planner, session)


def test_a_session_that_schedules_on_each_start_has_one_of_each(planner):
    session = new_session()
    planner.reply("start", session)
    first = listed(planner, session)
    for _ in range(4):
        planner.reply("start", session)
    assert listed(planner, session) == first
    assert set(first) == {"hour", "morning"}
    assert (first["hour"]["every"], first["morning"]["cron"]) == (3_600.0, "0 9 * * *")
    assert runs(planner, session) == []


def test_what_is_due_runs_once_and_not_before(planner):
    session = new_session()
    planner.reply("in 0.2 a", session)
    [run] = told(planner, session, "a")
    assert (run["status"], run["name"]) == ("done", "tell")
    assert datetime.fromisoformat(run["scheduledFor"]) <= datetime.fromisoformat(run["startedAt"])
    assert listed(planner, session) == {}


def test_a_recurring_one_runs_again_and_again(planner):
    session = new_session()
    planner.reply("soon a", session)
    wait_until(lambda: len(planner.state(session)["told"]) >= 2, 20, "two runs")
    planner.reply("cancel a", session)
    first, second = (datetime.fromisoformat(one["scheduledFor"]) for one in runs(planner, session)[:2])
    assert (second - first).total_seconds() % 1 == 0
    assert listed(planner, session) == {}


def test_a_failed_turn_schedules_nothing_but_what_on_error_asks(planner):
    session = new_session()
    assert planner.chat("fail", session).status_code == 500
    assert set(listed(planner, session)) == {"failed"}
    assert planner.sessions(f"/{session}").json()["timezone"] is None


def test_a_turn_that_cancels_is_not_followed_by_what_it_cancelled(planner, tmp_path):
    session = new_session()
    gate, at_once = Gate(tmp_path), {"prefer": "respond-async"}
    planner.chat(f"wait {gate}", session, headers=at_once)
    gate.reached()
    planner.chat("cancel a", session, headers=at_once)
    mark = tmp_path / "ran"
    planner.sessions(f"/{session}/schedules/a", "PUT", json={"method": "touch", "args": [str(mark)], "delay": 0})
    wait_until(lambda: runs(planner, session), 10, "the fired run")
    gate.open()
    [run] = wait_until(lambda: [one for one in runs(planner, session) if one["status"] != "queued"], 20, "its end")
    assert (run["status"], run["reasonCode"]) == ("cancelled", "unscheduled")
    assert not mark.exists()


def test_an_agent_sets_its_sessions_timezone(planner):
    session = new_session()
    assert planner.reply("zone Europe/Berlin", session) == "Europe/Berlin"
    assert planner.reply("hello", session) == "Europe/Berlin"
    assert planner.sessions(f"/{session}").json()["timezone"] == "Europe/Berlin"
    assert planner.reply("zone", session) == "None"
    assert planner.chat("zone Mars/Olympus", session).status_code == 500
    assert planner.reply("hello", session) == "None"


def test_a_quiet_fork_notes_what_it_would_schedule_and_a_fork_has_no_schedules(planner):
    session = new_session()
    planner.reply("start", session)
    planner.reply("zone Asia/Tokyo", session)
    quiet = planner.sessions(f"/{session}/fork", "POST", json={"quiet": True}).json()["sessionId"]
    assert listed(planner, quiet) == {}
    assert planner.sessions(f"/{quiet}").json()["timezone"] == "Asia/Tokyo"
    one = planner.chat("in 0 a", quiet).json()["interactionId"]
    other = planner.chat("cancel a", quiet).json()["interactionId"]
    assert planner.interaction(one, secret=True).json()["effects"] == [
        {"kind": "schedule", "key": "a", "method": "tell", "delay": 0.0, "args": ["a"], "kwargs": {}}
    ]
    assert planner.interaction(other, secret=True).json()["effects"] == [{"kind": "unschedule", "key": "a"}]
    assert listed(planner, quiet) == {}
    answer = planner.sessions(f"/{quiet}/schedules/a", "PUT", json={"method": "tell", "delay": 1})
    assert answer.status_code == 409


def test_a_restore_keeps_schedules_and_a_deletion_takes_them_along(planner, stack):
    session = new_session()
    first = planner.chat("hello", session).json()["interactionId"]
    planner.reply("start", session)
    assert planner.sessions(f"/{session}/restore", "POST", json={"at": first}).status_code == 200
    assert set(listed(planner, session)) == {"hour", "morning"}
    assert planner.sessions(f"/{session}", "DELETE", params={"erase": "true"}).status_code == 200
    assert stack.query("select key from schedules where session_id = %s", session) == []


def test_an_export_leaves_schedules_out(planner):
    session = new_session()
    planner.reply("start", session)
    file = planner.sessions(f"/{session}/export").content
    copy = new_session()
    headers = {"content-type": "application/x-ndjson"}
    assert planner.sessions(f"/import?sessionId={copy}", "POST", content=file, headers=headers).status_code == 201
    assert listed(planner, copy) == {}


def test_keys_may_hold_slashes(planner):
    session = new_session()
    planner.reply("hello", session)
    key = quote("a/b c", safe="")
    path = f"/{session}/schedules/{key}"
    assert planner.sessions(path, "PUT", json={"method": "tell", "args": ["x"], "delay": 1_000}).status_code == 201
    assert planner.sessions(path).json()["key"] == "a/b c"
    assert planner.sessions(path, "DELETE").status_code == 204
    assert planner.sessions(path).status_code == 404
