"""The dead and the failed, through the API: listed, shown, run again, discarded; each agent's own."""

from typing import Any

import pytest

from tests.support.client import AgentClient, new_session
from tests.support.control import accept, send_hook
from tests.support.stack import Stack


@pytest.fixture
def flaky(control: Stack) -> AgentClient:
    return control.agent("flaky")


def given_up(agent: AgentClient, **query) -> list[dict[str, Any]]:
    answer = agent.http.get(f"/v1/agents/{agent.id}/interactions", params=query, headers=agent.secret)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["interactions"]
    return found


def act(agent: AgentClient, path: str, **body):
    return agent.http.post(f"/v1/agents/{agent.id}/interactions/{path}", json=body, headers=agent.secret)


def failed(agent: AgentClient, session: str, name: str = "plain") -> str:
    interaction_id = send_hook(agent, name, session, times=1)
    assert agent.finished(interaction_id)["status"] == "failed"
    return interaction_id


def test_they_are_listed_with_their_errors(flaky):
    session = new_session()
    dead = accept(flaky, "fail", session)
    flaky.finished(dead)
    only_failed = failed(flaky, session)
    flaky.hook("plain", params={"session": session})
    rows = given_up(flaky, sessionId=session)
    assert [(row["interactionId"], row["status"]) for row in rows] == [(dead, "dead"), (only_failed, "failed")]
    assert rows[0]["error"]["message"] == "the secret is 42"
    assert "raise RuntimeError" in rows[0]["error"]["traceback"]
    assert rows[0]["reason"] == "dead after attempt 2: RuntimeError"


@pytest.mark.parametrize(
    ("query", "found"),
    [({"status": "dead"}, "a"), ({"kind": "hook"}, "bc"), ({"name": "retried"}, "c"), ({"kind": "job"}, "")],
)
def test_they_are_filtered(flaky, query, found):
    session = new_session()
    ids = {"a": accept(flaky, "fail", session), "b": failed(flaky, session)}
    ids["c"] = send_hook(flaky, "retried", session, times=1, kind="value")
    for one in ids.values():
        flaky.finished(one)
    rows = given_up(flaky, session_id=session, **query)
    assert {row["interactionId"] for row in rows} == {ids[letter] for letter in found}


def test_pages_follow_one_another(flaky):
    session = new_session()
    ids = [failed(flaky, session) for _ in range(3)]
    path, query = f"/v1/agents/flaky/interactions?sessionId={session}&limit=2", ""
    first = flaky.http.get(path + query, headers=flaky.secret).json()
    second = flaky.http.get(f"{path}&cursor={first['nextCursor']}", headers=flaky.secret).json()
    assert [row["interactionId"] for row in first["interactions"] + second["interactions"]] == ids
    assert second["nextCursor"] is None


def test_one_is_retried(control, flaky):
    session = new_session()
    one = accept(flaky, "fail", session)
    before = flaky.finished(one)
    control.query(
        """update interactions set payload = replace(payload::text, 'fail', 'fine')::json where id = %s""", one
    )
    assert act(flaky, f"{one}/retry").json() == {"interactions": [one]}
    after = flaky.finished(one)
    assert (after["status"], after["attempts"], after["error"]) == ("done", 1, None)
    assert after["errors"][:2] == before["errors"]
    assert after["errors"][2] == {"code": "retried", "type": "Retried", "message": "queued again by an operator"}
    assert flaky.state(session) == {"seen": ["fine"]}
    assert given_up(flaky, sessionId=session) == []


def test_what_fails_again_is_dead_again_with_all_errors(flaky):
    one = accept(flaky, "fail", new_session())
    flaky.finished(one)
    act(flaky, f"{one}/retry")
    again = flaky.finished(one)
    assert (again["status"], again["attempts"]) == ("dead", 2)
    assert [error["type"] for error in again["errors"]] == ["RuntimeError"] * 2 + ["Retried"] + ["RuntimeError"] * 2


def test_one_is_discarded(flaky):
    session = new_session()
    one, other = failed(flaky, session), failed(flaky, session)
    assert act(flaky, f"{one}/discard").json() == {"interactions": [one]}
    document = flaky.interaction(one, secret=True).json()
    assert (document["status"], document["reason"]) == ("cancelled", "discarded by an operator")
    assert document["errors"][0]["type"] == "ConnectionError"
    assert [row["interactionId"] for row in given_up(flaky, sessionId=session)] == [other]
    assert act(flaky, f"{one}/retry").status_code == 404


def test_many_are_retried_and_discarded_by_filter(flaky):
    here, there = new_session(), new_session()
    ids = [failed(flaky, here) for _ in range(2)]
    kept = failed(flaky, there)
    assert act(flaky, "retry", sessionId=here, status="dead").json() == {"interactions": []}
    assert sorted(act(flaky, "retry", sessionId=here, name="plain").json()["interactions"]) == ids
    assert [flaky.finished(one)["status"] for one in ids] == ["failed"] * 2
    assert sorted(act(flaky, "discard", session_id=here).json()["interactions"]) == ids
    assert given_up(flaky, sessionId=here) == []
    assert [row["interactionId"] for row in given_up(flaky, sessionId=there)] == [kept]


def test_only_what_was_given_up_is_touched(flaky):
    session = new_session()
    done = flaky.hook("plain", params={"session": session}).headers["x-interaction-id"]
    assert act(flaky, f"{done}/retry").status_code == 404
    assert act(flaky, f"{done}/discard").status_code == 404
    assert act(flaky, "retry", sessionId=session).json() == {"interactions": []}
    assert flaky.state(session) == {"seen": ["plain--1"]}


def test_each_agent_has_its_own(control, flaky):
    other, session = control.agent("flaky-too"), new_session()
    one = failed(flaky, session)
    assert given_up(other, sessionId=session) == []
    assert act(other, f"{one}/retry").status_code == 404
    assert act(other, "discard", sessionId=session).json() == {"interactions": []}
    path = "/v1/agents/flaky/interactions"
    assert flaky.http.get(path, headers=other.secret).status_code == 401
    assert flaky.http.get(path, headers=flaky.public).status_code == 403
    assert flaky.http.post(f"{path}/discard", json={}, headers=flaky.public).status_code == 403
    assert len(given_up(flaky, sessionId=session)) == 1


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("retry", {"sesionId": "x"}, "sesionId"),
        ("discard", {"status": "done"}, "status"),
        ("discard", {"kind": "dog"}, "kind"),
        ("discard", {"name": 7}, "name"),
        ("explode", {"sessionId": "none"}, "action"),
    ],
)
def test_a_wrong_filter_touches_nothing(flaky, path, body, field):
    session = new_session()
    one = failed(flaky, session)
    answer = act(flaky, path, **body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert given_up(flaky, sessionId=session)[0]["interactionId"] == one


def test_ids_that_are_none(flaky):
    assert act(flaky, "no-id/retry").status_code == 404
    assert act(flaky, "01a202c7-763d-7222-a8ef-1bb92839e318/retry").status_code == 404


def test_a_retry_is_run_in_the_order_of_acceptance(flaky):
    session = new_session()
    first = send_hook(flaky, "plain", session, times=1, tag="x")
    flaky.finished(first)
    act(flaky, f"{first}/retry")
    flaky.finished(send_hook(flaky, "plain", session, tag="y"))
    assert flaky.interaction(first).json()["attempts"] == 1
    assert [row["status"] for row in flaky.interactions(session)] == ["failed", "done"]
