"""Replays, on a front and on workers that run one version of an agent's code and then another."""

import json
import signal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.client import AgentClient, new_session
from tests.support.commands import Commands
from tests.support.databases import database
from tests.support.processes import python_path
from tests.support.stack import Stack, running_stack
from tests.support.waiting import wait_until

CODE = """
from typing import Any
from pumice import Agent, hook, query


class Till(Agent):
    replay_ignore = ("state.seen",)

    class State(Agent.State):
        total: {kind}
        seen: str = ""

    def reply(self, messages: Any) -> str:
        command, amount = messages[-1].text.split()
        self.state.seen = self.interaction.id
        if command == "call":
            self.call(amount, "add", {call})
            self.send({{"called": amount}})
            return "called"
        if command == "fail":
            raise ValueError(amount)
        self.add(int(amount))
        return f"{total} {{len(messages)}}"

    def add(self, amount: int) -> None:
        self.state.total += amount {plus}

    @hook("add", session=query("session"))
    def added(self, request: Any) -> dict[str, Any]:
        self.add(request.json["amount"])
        return {{"total": self.state.total, "session": self.session_id}}
"""
OLD = {"kind": "int = 0", "call": "1", "total": "total {self.state.total}", "plus": ""}


class Till:
    """A stack whose agent's code a test changes."""

    def __init__(self, stack: Stack, file: Path) -> None:
        self.stack = stack
        self.file = file
        self.client: AgentClient = stack.agent("till")

    def write(self, **changed: str) -> None:
        self.file.write_text(CODE.format(**OLD | changed))

    def post(self, **body: Any) -> Any:
        return self.client.http.post("/v1/agents/till/replays", headers=self.client.secret, json=body)

    def report(self, location: str) -> dict[str, Any]:
        document: dict[str, Any] = self.client.http.get(location, headers=self.client.secret).json()
        return document

    def replayed(self, **body: Any) -> dict[str, Any]:
        """The report of a replay, once it is complete."""
        answer = self.post(**body)
        assert answer.status_code == 202, answer.text
        return self.ended(answer.headers["location"])

    def ended(self, location: str) -> dict[str, Any]:
        """The same, at this address."""
        wait_until(lambda: self.report(location)["status"] != "running", 30, "the end of a replay")
        return self.report(location)

    def recorded(self, session: str) -> None:
        for command in ("add 1", "add 2", "call other", "add 3"):
            assert self.client.chat(command, session).status_code == 200
        self.client.post(f"/v1/agents/till/hooks/add?session={session}", json={"amount": 4}).raise_for_status()

    def left(self) -> list[dict[str, Any]]:
        return self.stack.query("select id from sessions where id like '$replay%%'")


@pytest.fixture
def till(postgres_server: Any, valkey_server: Any, migrated_template: str, tmp_path: Path) -> Any:
    name = f"till_{uuid4().hex[:8]}"
    file = tmp_path / f"{name}.py"
    file.write_text(CODE.format(**OLD))
    with database(postgres_server.url("postgres"), migrated_template) as made:
        environ = {"DATABASE_URL": postgres_server.url(made), "REDIS_URL": valkey_server.url(5)}
        environ |= {"PYTHONPATH": python_path(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        with running_stack(environ, f"till={name}:Till") as stack:
            yield Till(stack, file)


def differing(report: dict[str, Any]) -> list[list[str]]:
    return [[one["what"] for one in turn["differences"]] for turn in report["sessions"][0]["turns"]]


def test_a_condition_picks_the_sessions(till):
    first, second = new_session(), new_session()
    till.recorded(first)
    till.client.chat("add 77", second)
    total = till.client.state(second)["total"]
    report = till.replayed(where={"state.total": total})
    assert [one["sessionId"] for one in report["sessions"]] == [second]
    assert (report["turns"], report["changed"]) == (1, 0)


def test_the_same_code_comes_out_the_same(till):
    session = new_session()
    till.recorded(session)
    report = till.replayed(sessions=[session])
    assert (report["status"], report["turns"], report["changed"]) == ("done", 5, 0), report
    assert till.left() == []
    assert [row["id"] for row in till.stack.query("select id from sessions where id = 'other'")] == ["other"]
    assert till.stack.query("select count(*) as n from interactions where session_id = 'other'")[0]["n"] == 1


def test_other_code_differs_in_what_it_changed_alone(till):
    session = new_session()
    till.recorded(session)
    till.stack.shared["worker"].stop()
    till.write(call="2", total="sum {self.state.total}")
    with till.stack.worker():
        report = till.replayed(sessions=[session])
        assert differing(report) == [["reply"], ["reply"], ["calls"], ["reply"], []]
        commands = Commands(till.file.parent, **till.stack.environ)
        done = commands.run("sessions", "replay", "till", session, "--fail-on-change", "--html", "report.html")
        assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "5 turns, 4 changed"), done
        assert '    + "sum 3 3"' in done.stdout
        assert "sum 3 3" in (till.file.parent / "report.html").read_text()
        assert commands.run("sessions", "replay", "till", session, "--json").returncode == 0
        assert commands.run("sessions", "replay", "till", "none").returncode == 2
        [difference] = report["sessions"][0]["turns"][1]["differences"]
        assert difference == {"what": "reply", "recorded": "total 3 3", "candidate": "sum 3 3"}
        later = till.replayed(sessions=[session], **{"from": report["sessions"][0]["turns"][1]["interactionId"]})
        assert differing(later) == [["calls"], ["reply"], []]
    till.write(plus="* 2")
    with till.stack.worker():
        report = till.replayed(sessions=[session])
        assert differing(report)[0] == ["reply", "state"]
        states = report["sessions"][0]["turns"][0]["differences"][1]
        assert (states["recorded"]["total"], states["candidate"]["total"]) == (1, 2)
    assert till.left() == []


@pytest.mark.faults
def test_a_baseline_and_a_candidate_run_on_workers_of_their_releases(till):
    session = new_session()
    till.recorded(session)
    till.stack.shared["worker"].stop()
    till.write(total="time {self.interaction.id} {self.state.total}", plus="* 2")
    with till.stack.worker(RELEASE="next"):
        till.write(total="time {self.interaction.id} {self.state.total}")
        with till.stack.worker(RELEASE="old"), till.stack.worker():
            report = till.replayed(sessions=[session], baseline="old", candidate="next")
            assert (report["status"], report["changed"]) == ("done", 5), report
            first = {one["what"]: one for one in report["sessions"][0]["turns"][0]["differences"]}
            assert [state["total"] for state in first["state"].values() if isinstance(state, dict)] == [1, 1, 2]
            assert first["reply"]["recorded"] == "total 1 1"
            same = till.replayed(sessions=[session], baseline="old", candidate="old")
            assert (same["status"], same["changed"]) == ("done", 0), same
            assert [one["what"] for one in same["sessions"][0]["turns"][0]["differences"]] == ["reply"]
            done = Commands(till.file.parent, **till.stack.environ).run(
                "sessions", "replay", "till", session, "--baseline", "old", "--candidate", "next", "--html", "r.html"
            )
            assert "(baseline)" in done.stdout, done
            assert 'class="baseline"' in (till.file.parent / "r.html").read_text()
    assert till.left() == []
    answer = till.post(sessions=[session], baseline="none")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "baseline")


def test_restores_forks_and_failed_turns_are_replayed(till):
    session, fork = new_session(), new_session()
    first = till.client.chat("add 1", session).json()["interactionId"]
    till.client.chat("add 2", session)
    till.client.chat("fail now", session)
    till.client.sessions(f"/{session}/restore", "POST", json={"at": first, "queued": "keep"}).raise_for_status()
    till.client.chat("add 5", session)
    till.client.sessions(f"/{session}/fork", "POST", json={"sessionId": fork}).raise_for_status()
    till.client.chat("add 7", fork)
    report = till.replayed(sessions=[session, fork])
    assert (report["status"], report["turns"], report["changed"]) == ("done", 5, 0), report
    assert [len(one["turns"]) for one in report["sessions"]] == [4, 1]


@pytest.mark.faults
def test_a_replay_outlives_its_worker(till):
    sessions = [new_session() for _ in range(8)]
    for session in sessions:
        till.recorded(session)
    till.stack.shared["worker"].send(signal.SIGSTOP)
    location = till.post(sessions=sessions).headers["location"]
    with till.stack.worker() as second:
        wait_until(till.left, 30, "a fork")
        second.send(signal.SIGKILL)
        second.wait_ended()
    till.stack.shared["worker"].send(signal.SIGCONT)
    wait_until(lambda: till.report(location)["status"] != "running", 60, "the end of the replay")
    report = till.report(location)
    assert (report["status"], report["turns"], report["changed"]) == ("done", 40, 0), report
    assert [one["sessionId"] for one in report["sessions"]] == sessions
    assert till.left() == []


@pytest.mark.faults
def test_states_that_fit_no_more_end_their_replays_alone(till):
    """One more of them than run at a time."""
    session = new_session()
    till.recorded(session)
    first = till.client.interactions(session)[0]["interactionId"]
    till.stack.shared["worker"].stop()
    till.write(kind="dict[str, int] = {}")
    with till.stack.worker():
        started = [till.post(sessions=[session], **{"from": first}).headers["location"] for _ in range(5)]
        for location in started:
            report = till.ended(location)
            assert (report["status"], "total" in report["sessions"][0]["error"]) == ("failed", True), report
        assert till.replayed(sessions=[session])["status"] == "done"
    assert till.left() == []


def test_a_replay_is_stopped_by_command_and_by_request(till):
    session = new_session()
    till.recorded(session)
    till.stack.shared["worker"].send(signal.SIGSTOP)
    first, second = (till.post(sessions=[session]).headers["location"] for _ in range(2))
    commands = Commands(till.file.parent, **till.stack.environ)
    done = commands.run("sessions", "replay", "till", "--stop", first.rpartition("/")[2], "--json")
    assert (done.returncode, json.loads(done.stdout)["status"]) == (2, "stopped"), done
    answer = till.client.http.post(f"{second}/stop", headers=till.client.secret)
    assert (answer.status_code, answer.json()["status"]) == (200, "stopped"), answer.text
    till.stack.shared["worker"].send(signal.SIGCONT)
    assert till.replayed(sessions=[session])["status"] == "done"
    assert [till.report(one)["turns"] for one in (first, second)] == [0, 0]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"sessions": []}, 422),
        ({"sessions": ["none"]}, 404),
        ({"sessions": ["known"], "from": "nothing"}, 404),
        ({"sessions": ["known"], "model": "other"}, 422),
        ({"sessions": ["known"], "model": []}, 422),
        ({"where": {"metadata.a": "\x00"}}, 422),
        ({"where": {"version": 10**30}}, 422),
        ({"where": {"state.no": 1}}, 422),
        ({"where": {"metadata.no": 1}}, 422),
        ({"where": {}, "sessions": ["known"]}, 422),
        ({"sample": 0}, 422),
    ],
)
def test_bad_requests_start_nothing(echo, stack, body, status):
    echo.chat("hello", "known")
    answer = echo.http.post("/v1/agents/echo/replays", headers=echo.secret, json=body)
    assert answer.status_code == status, answer.text
    assert stack.query("select * from replays where agent_id = 'echo'") == []
