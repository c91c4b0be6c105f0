"""The API of schedules: list, read, put, delete, and every wrong request."""

import pytest

from tests.support.client import AgentClient, new_session
from tests.support.waiting import wait_until


@pytest.fixture
def session(planner: AgentClient) -> str:
    made = new_session()
    planner.reply("hello", made)
    return made


def put(planner: AgentClient, session: str, key: str = "k", **body):
    return planner.sessions(f"/{session}/schedules/{key}", "PUT", json={"method": "tell", "args": ["x"], **body})


def test_a_schedule_is_made_shown_replaced_and_deleted(planner, session):
    made = put(planner, session, cron="0 9 * * *", timezone="Europe/Berlin", kwargs={"mark": "!"})
    assert made.status_code == 201
    document = made.json()
    assert planner.http.get(made.headers["location"], headers=planner.secret).json() == document
    assert (document["key"], document["method"], document["args"]) == ("k", "tell", ["x"])
    assert (document["cron"], document["timezone"], document["kwargs"]) == (
        "0 9 * * *",
        "Europe/Berlin",
        {"mark": "!"},
    )
    assert (document["lastAt"], document["missed"], document["error"], document["interactionId"]) == (
        None,
        0,
        None,
        None,
    )
    again = put(planner, session, cron="0 9 * * *", timezone="Europe/Berlin", kwargs={"mark": "!"})
    assert (again.status_code, again.json()) == (200, document)
    assert put(planner, session, every=60).json()["every"] == 60.0
    [one] = planner.sessions(f"/{session}/schedules").json()["schedules"]
    assert (one["every"], one["cron"], one["timezone"]) == (60.0, None, None)
    assert planner.sessions(f"/{session}/schedules/k", "DELETE").status_code == 204
    assert planner.sessions(f"/{session}/schedules/k", "DELETE").json()["type"] == "urn:pumice:problem:unknown-schedule"


def test_it_runs_with_its_arguments(planner, session):
    assert put(planner, session, delay=0, kwargs={"mark": "!"}).status_code == 201
    wait_until(lambda: planner.state(session)["told"] == ["x!"], 20, "its run")
    assert put(planner, session, at="2020-01-01T00:00:00Z").status_code in {200, 201}
    wait_until(lambda: planner.state(session)["told"] == ["x!", "x"], 20, "its run")


def test_the_list_has_pages_and_calls_without_a_key(planner, session):
    first = planner.reply("later 1000", session)
    second = planner.reply("later 500", session)
    for key in "bac":
        put(planner, session, key, delay=2_000)
    seen, cursor = [], ""
    for _ in range(3):
        page = planner.sessions(f"/{session}/schedules", params={"limit": 2, "cursor": cursor}).json()
        seen += page["schedules"]
        cursor = page["nextCursor"]
    assert cursor is None
    assert [(one["key"], one["interactionId"]) for one in seen] == [
        ("a", None),
        ("b", None),
        ("c", None),
        (None, first),
        (None, second),
    ]
    assert seen[3]["nextAt"] > seen[4]["nextAt"]
    assert (seen[3]["method"], seen[3]["args"]) == ("tell", ["later"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"method": "nothing", "delay": 1}, "method"),
        ({"method": "reply", "delay": 1}, "method"),
        ({"method": "_tell", "delay": 1}, "method"),
        ({"method": None, "delay": 1}, "method"),
        ({}, "at"),
        ({"delay": None}, "at"),
        ({"delay": 1, "cron": "* * * * *"}, "cron"),
        ({"at": "2030-01-01T00:00:00Z", "every": 5}, "every"),
        ({"at": "2030-01-01T00:00:00"}, "at"),
        ({"at": "soon"}, "at"),
        ({"at": 5}, "at"),
        ({"at": "2999-01-01T00:00:00Z"}, "at"),
        ({"delay": -1}, "delay"),
        ({"delay": True}, "delay"),
        ({"delay": "5"}, "delay"),
        ({"delay": 1e300}, "delay"),
        ({"every": 0}, "every"),
        ({"every": "5"}, "every"),
        ({"every": 1e300}, "every"),
        ({"cron": "never"}, "cron"),
        ({"cron": 5}, "cron"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"cron": "* * * * *", "timezone": "Mars/Olympus"}, "timezone"),
        ({"cron": "* * * * *", "timezone": "\x00"}, "timezone"),
        ({"cron": "* * * * *", "timezone": 5}, "timezone"),
        ({"delay": 5, "timezone": "Europe/Berlin"}, "timezone"),
        ({"delay": 5, "args": {}}, "args"),
        ({"delay": 5, "kwargs": []}, "kwargs"),
        ({"delay": 5, "when": 1}, "when"),
    ],
)
def test_a_wrong_field_is_named(planner, session, body, field):
    answer = planner.sessions(f"/{session}/schedules/k", "PUT", json={"method": "tell", **body})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert planner.sessions(f"/{session}/schedules").json()["schedules"] == []


@pytest.mark.parametrize("key", ["a%0Ab", "k" * 256, "%7F"])
def test_a_wrong_key_is_refused(planner, session, key):
    answer = put(planner, session, key, delay=1)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "key")


def test_a_secret_key_and_a_session_are_needed(planner, echo, session):
    path = f"/v1/agents/planner/sessions/{session}/schedules"
    assert planner.http.get(path, headers=planner.public).status_code == 403
    assert planner.http.put(f"{path}/k", headers=echo.secret, json={"method": "tell", "delay": 1}).status_code == 401
    for wrong in (new_session(), "$static:x", "a%00b"):
        for verb in ("GET", "PUT", "DELETE"):
            answer = planner.sessions(f"/{wrong}/schedules/k", verb, json={"method": "tell", "delay": 1})
            assert answer.status_code == 404, answer.text
        assert planner.sessions(f"/{wrong}/schedules").status_code == 404


def test_a_sessions_timezone_is_changed_and_cleared(planner, session):
    put(planner, session, cron="0 9 * * *", timezone="session")
    change = {"timezone": "Asia/Tokyo", "metadata": {"a": 1}}
    document = planner.sessions(f"/{session}", "PATCH", json=change).json()
    assert (document["timezone"], document["metadata"]) == ("Asia/Tokyo", {"a": 1})

    def hour() -> str:
        return str(planner.sessions(f"/{session}/schedules/k").json()["nextAt"])[11:16]

    wait_until(lambda: hour() == "00:00", 20, "nine in Tokyo")
    assert planner.sessions(f"/{session}", "PATCH", json={"timezone": None}).json()["timezone"] is None
    wait_until(lambda: hour() == "09:00", 20, "nine in UTC")
    assert planner.state(session)["told"] == []


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", 5, "Europe", "../Berlin", "\x00"])
def test_a_wrong_timezone_changes_nothing(planner, session, zone):
    answer = planner.sessions(f"/{session}", "PATCH", json={"metadata": {"a": 1}, "timezone": zone})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "timezone")
    assert planner.sessions(f"/{session}").json()["metadata"] == {}


def test_an_unknown_sessions_timezone_is_not_set(planner):
    assert planner.sessions(f"/{new_session()}", "PATCH", json={"timezone": "UTC"}).status_code == 404
