"""Points, snapshots, forks and restores, through the API, on a front and a worker."""

from typing import Any
from uuid import uuid4

import pytest

from tests.support.client import AgentClient, new_session
from tests.support.gates import Gate
from tests.support.stack import Stack
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def notebook(stack: Stack) -> AgentClient:
    return stack.agent("notebook")


def said(client: AgentClient, session: str, *commands: str) -> list[str]:
    """Chat. Returns the interactions' ids."""
    answers = [client.chat(command, session) for command in commands]
    assert {answer.status_code for answer in answers} <= {200, 500}
    return [answer.json()["interactionId"] for answer in answers]


def at(client: AgentClient, session: str, point: str) -> dict[str, Any]:
    answer = client.sessions(f"/{session}", params={"at": point})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def notes(client: AgentClient, session: str, point: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = client.state(session) if point is None else at(client, session, point)["state"]
    written: dict[str, Any] = found["notes"]
    return written


def messages(client: AgentClient, session: str, **params: Any) -> list[str]:
    answer = client.sessions(f"/{session}/messages", params=params)
    assert answer.status_code == 200, answer.text
    return [one["content"] for one in answer.json()["messages"]]


def made(client: AgentClient, session: str, what: str, **body: Any) -> dict[str, Any]:
    answer = client.sessions(f"/{session}/{what}", "POST", json=body)
    assert answer.status_code in {200, 201}, answer.text
    document: dict[str, Any] = answer.json()
    return document


def refused(client: AgentClient, path: str, method: str = "GET", **options: Any) -> tuple[int, str]:
    answer = client.sessions(path, method, **options)
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def test_a_session_is_seen_as_it_was_after_each_interaction(notebook):
    session = new_session()
    first, second, third = said(notebook, session, "set a 1", "set b 2", "set a 3")
    assert notes(notebook, session, first) == {"a": "1"}
    assert notes(notebook, session, second) == {"a": "1", "b": "2"}
    assert notes(notebook, session, third) == notes(notebook, session) == {"a": "3", "b": "2"}
    assert messages(notebook, session, at=second) == [
        "set a 1",
        "1 messages, 1 notes",
        "set b 2",
        "3 messages, 2 notes",
    ]
    assert (at(notebook, session, second)["messageCount"], at(notebook, session, second)["at"]) == (4, second)


def test_a_turn_that_failed_leaves_what_was_before(notebook):
    session = new_session()
    _, failed = said(notebook, session, "set a 1", "fail")
    assert notes(notebook, session, failed) == {"a": "1"}


def test_a_large_state_has_the_same_points(notebook, stack):
    session = new_session()
    points = said(
        notebook, session, "grow fat 50000", *(f"set k{number} {number}" for number in range(6)), "grow fat 90000"
    )
    for number, point in enumerate(points[1:-1]):
        found = notes(notebook, session, point)
        assert (len(found["fat"]), list(found)[1:]) == (49998, [f"k{one}" for one in range(number + 1)])
    assert len(notes(notebook, session)["fat"]) == len(notes(notebook, session, points[-1])["fat"]) == 90000
    rows = stack.query("select sum(octet_length(delta)) as bytes from interactions where session_id = %s", session)
    assert rows[0]["bytes"] < 3_000


def test_a_large_state_is_written_as_a_difference(notebook, stack):
    session = new_session()
    said(notebook, session, "grow fat 50000", "set a 1")
    query = "select stale, octet_length(state_delta) as delta, state::text as state from sessions where id = %s"
    [first] = stack.query(query, session)
    said(notebook, session, "set b 2")
    [second] = stack.query(query, session)
    assert (first["stale"], second["stale"], first["state"]) == (True, True, second["state"])
    assert first["delta"] < second["delta"] < 200
    assert list(notes(notebook, session)) == ["fat", "a", "b"]


def test_snapshots_are_named_listed_read_and_forgotten(notebook):
    session = new_session()
    first, _ = said(notebook, session, "set a 1", "set a 2")
    taken = made(notebook, session, "snapshots", name="before", note="all well", at=first)
    assert {**taken, "createdAt": 0, "codeVersion": 0} == {
        "name": "before", "note": "all well", "at": first, "messageCount": 2, "createdAt": 0, "codeVersion": 0,
    }  # fmt: skip
    now = made(notebook, session, "snapshots", name="after")
    assert notebook.sessions(f"/{session}/snapshots").json()["snapshots"] == [now, taken]
    assert notebook.sessions(f"/{session}/snapshots/before").json() == taken
    assert notes(notebook, session, "before") == {"a": "1"}
    assert notebook.sessions(f"/{session}/snapshots/before", "DELETE").status_code == 204
    assert refused(notebook, f"/{session}/snapshots/before") == (404, "unknown-point")
    assert refused(notebook, f"/{session}", params={"at": "before"}) == (404, "unknown-point")


def test_a_turn_names_the_point_that_it_leaves(notebook):
    session = new_session()
    _, named, _ = said(notebook, session, "set a 1", "snapshot mine", "set a 2")
    assert notes(notebook, session, "mine") == {"a": "1", "named": "mine"}
    found = notebook.sessions(f"/{session}/snapshots/mine").json()
    assert (found["at"], found["note"], found["messageCount"]) == (named, "in a turn", 4)


def test_a_name_outlives_the_pruning_of_the_points_around_it(notebook):
    """Its state is told by a keyframe that nothing else needs any more."""
    session = new_session()
    first, named, _ = said(notebook, session, "set a 1", "snapshot mine", "grow b 30000")
    said(notebook, session, *(f"set c {number}" for number in range(30)))
    wait_until(lambda: notebook.sessions(f"/{session}", params={"at": first}).status_code == 410, 30, "pruning")
    assert refused(notebook, f"/{session}?at={named}")[0] == 410
    assert notes(notebook, session, "mine") == {"a": "1", "named": "mine"}
    assert notes(notebook, made(notebook, session, "fork", at="mine")["sessionId"]) == {"a": "1", "named": "mine"}


def test_a_name_is_given_once(notebook):
    session = new_session()
    said(notebook, session, "set a 1", "snapshot mine")
    again = {"json": {"name": "mine"}}
    assert refused(notebook, f"/{session}/snapshots", "POST", **again) == (409, "conflict")
    [second] = said(notebook, session, "snapshot mine")
    assert notebook.finished(second)["error"]["type"] == "SnapshotExistsError"
    assert notes(notebook, session) == {"a": "1", "named": "mine"}
    assert notebook.sessions(f"/{session}/snapshots/mine").json()["at"] != second


def test_a_restore_goes_on_from_a_point_and_keeps_what_came_after(notebook):
    session = new_session()
    first, second = said(notebook, session, "set a 1", "set b 2")
    done = made(notebook, session, "restore", at=first, queued="keep")
    assert notes(notebook, session) == {"a": "1"}
    assert messages(notebook, session) == ["set a 1", "1 messages, 1 notes"]
    [third] = said(notebook, session, "set c 3")
    assert messages(notebook, session) == ["set a 1", "1 messages, 1 notes", "set c 3", "3 messages, 2 notes"]
    assert notes(notebook, session, second) == {"a": "1", "b": "2"}
    assert notes(notebook, session, done["interactionId"]) == {"a": "1"}
    assert notes(notebook, session, third) == {"a": "1", "c": "3"}
    made(notebook, session, "restore", at=second)
    said(notebook, session, "set d 4")
    assert list(notes(notebook, session)) == ["a", "b", "d"]
    assert messages(notebook, session)[-2:] == ["set d 4", "5 messages, 3 notes"]


def test_a_restore_waits_for_no_turn(stack, tmp_path):
    slow, gate, session = stack.agent("echo"), Gate(tmp_path), new_session()
    first = slow.chat("hi", session).json()["interactionId"]
    running = slow.chat(f"gate:{gate}", session, headers={"prefer": "respond-async"}).json()["interactionId"]
    gate.reached()
    body = {"at": first, "queued": "keep"}
    assert refused(slow, f"/{session}/restore", "POST", json=body) == (409, "conflict")
    assert refused(slow, f"/{session}/restore", "POST", json={"at": str(uuid4()), "cancel": True})[0] == 404
    assert slow.interaction(running).json()["status"] == "queued"
    done = made(slow, session, "restore", **body, cancel=True)
    assert done["cancelled"] == [running]
    gate.open()
    assert slow.finished(running)["status"] == "cancelled"
    assert slow.chat("again", session).status_code == 200


def test_a_restore_drops_what_is_queued_if_asked(notebook):
    session = new_session()
    first, later = said(notebook, session, "set a 1", "later")
    waiting = [one for one in notebook.interactions(session) if one["kind"] == "call"]
    assert [one["status"] for one in waiting] == ["queued"]
    done = made(notebook, session, "restore", at=later, queued="keep")
    assert done["cancelled"] == []
    done = made(notebook, session, "restore", at=first, queued="drop")
    assert done["cancelled"] == [waiting[0]["interactionId"]]
    assert notebook.finished(waiting[0]["interactionId"])["reasonCode"] == "restored"


def test_a_fork_goes_its_own_way(notebook):
    session = new_session()
    first, _ = said(notebook, session, "set a 1", "set b 2")
    answer = notebook.sessions(f"/{session}/fork", "POST", json={"at": first, "metadata": {"why": "test"}})
    fork = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"].endswith(fork["sessionId"])
    assert (fork["state"]["notes"], fork["metadata"], fork["messageCount"]) == ({"a": "1"}, {"why": "test"}, 2)
    assert fork["parent"] == {"sessionId": session, "at": first}
    child = fork["sessionId"]
    [own] = said(notebook, child, "set c 3")
    assert messages(notebook, child) == ["set a 1", "1 messages, 1 notes", "set c 3", "3 messages, 2 notes"]
    assert notes(notebook, child) == {"a": "1", "c": "3"}
    assert notes(notebook, session) == {"a": "1", "b": "2"}
    assert notes(notebook, child, first) == {"a": "1"}
    assert notes(notebook, child, own) == {"a": "1", "c": "3"}


def test_a_fork_of_a_fork_of_what_was_deleted_is_whole(notebook, stack):
    session = new_session()
    first, second, third = said(notebook, session, "set a 1", "snapshot s", "set b 2")
    child = made(notebook, session, "fork", at=second)["sessionId"]
    [own] = said(notebook, child, "set c 3")
    grandchild = made(notebook, child, "fork")["sessionId"]
    lines = stack.query("select line from sessions where id = any(%s)", [session, child])
    for parent in (session, child):
        assert notebook.sessions(f"/{parent}", "DELETE").status_code == 204
        assert not notebook.exists(parent)
    said(notebook, grandchild, "set d 4")
    assert list(notes(notebook, grandchild)) == ["a", "named", "c", "d"]
    assert [one for one in messages(notebook, grandchild) if "notes" not in one] == [
        "set a 1",
        "snapshot s",
        "set c 3",
        "set d 4",
    ]
    assert notes(notebook, grandchild, first) == {"a": "1"}
    assert notes(notebook, grandchild, "s") == {"a": "1", "named": "s"}
    assert notes(notebook, grandchild, own) == {"a": "1", "named": "s", "c": "3"}
    assert refused(notebook, f"/{grandchild}", params={"at": third}) == (404, "unknown-point")
    said(notebook, session, "set new 1")
    assert messages(notebook, session) == ["set new 1", "1 messages, 1 notes"]
    assert notebook.sessions(f"/{grandchild}", "DELETE").status_code == 204
    gone = [f"$gone:{row['line']}" for row in lines]
    left = "select id from sessions where agent_id = 'notebook' and id = any(%s)"
    wait_until(lambda: not stack.query(left, gone), 30, "the end of what no fork needs")
    names = [session, child, grandchild]
    for table in ("keyframes", "snapshots"):
        kept = f"select session_id from {table} where agent_id = 'notebook' and session_id"
        rows = stack.query(f"{kept} = any(%s)", [*names, *gone])
        assert {row["session_id"] for row in rows} <= {session}


def test_a_quiet_fork_records_what_it_would_do(notebook, stack):
    session, other = new_session(), new_session()
    said(notebook, session, "set a 1")
    child = made(notebook, session, "fork", quiet=True)["sessionId"]
    with notebook.socket(child) as socket:
        assert socket.next()["type"] == "session"  # from then on it sees what happens
        [call, later] = said(notebook, child, f"call {other}", "later")
        types = [socket.next()["type"] for _ in range(6)]
    assert sorted(types) == ["done"] * 2 + ["message"] * 4
    assert notebook.interaction(call, secret=True).json()["effects"] == [
        {"kind": "call", "sessionId": other, "method": "note", "args": ["called", f"by {child}"], "kwargs": {}},
        {"kind": "send", "data": {"called": other}},
    ]
    [effect] = notebook.interaction(later, secret=True).json()["effects"]
    assert (effect["kind"], effect["method"], effect["delay"]) == ("schedule", "note", 3600)
    assert not notebook.exists(other)
    assert [one["kind"] for one in notebook.interactions(child)] == ["chat", "chat"]


def test_only_so_many_points_are_kept(notebook):
    session = new_session()
    first, *_ = said(notebook, session, "set a 1", "set b 1")
    made(notebook, session, "snapshots", name="kept", at=first)
    child = made(notebook, session, "fork", at=first)["sessionId"]
    points = said(notebook, session, *(f"set c {number}" for number in range(30)))
    wait_until(lambda: notebook.sessions(f"/{session}", params={"at": first}).status_code == 410, 30, "pruning")
    answer = notebook.sessions(f"/{session}", params={"at": first})
    assert answer.json()["type"] == "urn:pumice:problem:pruned-point"
    assert answer.json()["since"] in answer.json()["detail"]
    assert notes(notebook, session, "kept") == {"a": "1"}
    assert notes(notebook, child) == {"a": "1"}
    assert notes(notebook, session, points[-10]) == {"a": "1", "b": "1", "c": "20"}


@pytest.mark.parametrize("what", ["snapshots", "restore", "fork"])
def test_unknown_points_and_sessions_change_nothing(notebook, what):
    session = new_session()
    said(notebook, session, "set a 1")
    before = notebook.sessions(f"/{session}").json()
    for point in (str(uuid4()), "no such name"):
        body = {"at": point, **({"name": "x"} if what == "snapshots" else {})}
        assert refused(notebook, f"/{session}/{what}", "POST", json=body) == (404, "unknown-point")
    body = {"at": "x", **({"name": "x"} if what == "snapshots" else {})}
    assert refused(notebook, f"/{new_session()}/{what}", "POST", json=body) == (404, "unknown-session")
    assert notebook.sessions(f"/{session}").json() == before
    assert notebook.sessions(f"/{session}/snapshots").json()["snapshots"] == []


@pytest.mark.parametrize(
    ("what", "body", "field"),
    [
        ("snapshots", {}, "name"),
        ("snapshots", {"name": ""}, "name"),
        ("snapshots", {"name": "$fork:x"}, "name"),
        ("snapshots", {"name": str(uuid4())}, "name"),
        ("snapshots", {"name": "a", "note": 1}, "note"),
        ("snapshots", {"name": "a", "at": 7}, "at"),
        ("restore", {}, "at"),
        ("restore", {"at": "x", "queued": "all"}, "queued"),
        ("restore", {"at": "x", "queued": []}, "queued"),
        ("restore", {"at": "x", "queued": {}}, "queued"),
        ("restore", {"at": "x", "cancel": "yes"}, "cancel"),
        ("fork", {"quiet": 1}, "quiet"),
        ("fork", {"sessionId": "$x"}, "sessionId"),
        ("fork", {"metadata": []}, "metadata"),
        ("fork", {"name": "x"}, "name"),
    ],
)
def test_wrong_fields_are_named(notebook, what, body, field):
    session = new_session()
    said(notebook, session, "set a 1")
    answer = notebook.sessions(f"/{session}/{what}", "POST", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


def test_a_fork_takes_no_name_that_is_taken(notebook):
    session, other = new_session(), new_session()
    said(notebook, session, "set a 1")
    said(notebook, other, "set a 2")
    body = {"json": {"sessionId": other}}
    assert refused(notebook, f"/{session}/fork", "POST", **body) == (409, "conflict")
    assert notes(notebook, other) == {"a": "2"}
    assert notebook.sessions(f"/{session}", "DELETE").status_code == 204


def test_only_the_secret_key_reads_points(notebook):
    session = new_session()
    [first] = said(notebook, session, "set a 1")
    for path in (f"/{session}?at={first}", f"/{session}/messages?at={first}", f"/{session}/snapshots"):
        answer = notebook.http.get(f"/v1/agents/notebook/sessions{path}", headers=notebook.public)
        assert answer.status_code == 403, path


def test_an_agent_s_points_are_not_another_s(notebook, echo):
    session = new_session()
    [first] = said(notebook, session, "set a 1")
    echo.reply("hi", session)
    assert refused(echo, f"/{session}", params={"at": first}) == (404, "unknown-point")


@pytest.mark.parametrize("at", ["", "a\x00b"])
def test_a_point_without_a_name_is_refused_everywhere(notebook, at):
    session = new_session()
    notebook.chat("set a 1", session)
    for path in ("", "/messages", "/export"):
        assert refused(notebook, f"/{session}{path}", params={"at": at}) == (422, "invalid-field")
    assert refused(notebook, f"/{session}/diff", params={"from": at}) == (422, "invalid-field")
