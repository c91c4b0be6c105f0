"""The fixture `pumice_session`, which the plugin gives to every test of an environment that has Pumice."""

from datetime import UTC, datetime
from textwrap import dedent

import pytest

from pumice import Agent, hook, query, testing

pytest_plugins = ["pytester"]


class Peer(Agent):
    class State(Agent.State):
        seen: list[str] = []

    def pass_on(self, to):
        self.call(to, "note", f"from {self.session_id}")

    def note(self, what):
        self.state.seen.append(what)

    @hook("note", session=query("session"))
    def noted(self, request):
        self.note(request.text)
        return {"seen": self.state.seen}


def test_sessions_of_one_agent_share_clock_and_calls_and_each_has_its_deliveries(pumice_session):
    one, two = pumice_session(Peer, "one", now=datetime(2026, 1, 1, tzinfo=UTC)), pumice_session(Peer, "two")
    one.call("pass_on", "two")
    one.advance(5)
    assert two.state.seen == ["from one"]
    assert two.now == one.now == datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)
    first = one.hook("note", data="a", query={"session": "one"}, headers={"X-GitHub-Delivery": "1"})
    other = two.hook("note", data="b", query={"session": "two"}, headers={"X-GitHub-Delivery": "1"})
    assert (first.json, other.json) == ({"seen": ["a"]}, {"seen": ["from one", "b"]})
    assert testing.session(Peer, "two").state.seen == []


def test_the_same_id_is_the_same_session(pumice_session):
    pumice_session(Peer, "one", state={"seen": ["a"]}).call("note", "b")
    assert pumice_session(Peer, "one").state.seen == ["a", "b"]
    with pytest.raises(ValueError, match="the session 'one' has a state already"):
        pumice_session(Peer, "one", state={})
    with pytest.raises(ValueError, match="the clock of Peer runs already"):
        pumice_session(Peer, "two", now=datetime.now(UTC))


def test_temporary_sessions_are_apart_until_a_hook_chooses_theirs(pumice_session):
    known = pumice_session(Peer, "one", state={"seen": ["known"]})
    first, second = pumice_session(Peer), pumice_session(Peer)
    first.call("note", "first")
    assert (first.state.seen, second.state.seen) == (["first"], [])
    assert second.hook("note", data="x", query={"session": "one"}).json == {"seen": ["known", "x"]}
    assert (second.session_id, known.state.seen) == ("one", ["known", "x"])


def test_tests_do_not_share_sessions_and_a_debugger_gets_the_tests_thread(pytester):
    pytester.makepyfile(
        dedent("""
        import threading
        from pumice import Agent

        class Counter(Agent):
            class State(Agent.State):
                turns: int = 0

            def reply(self, messages):
                self.state.turns += 1
                return f"{self.state.turns} {threading.current_thread() is threading.main_thread()}"

        def test_one(pumice_session, request):
            assert pumice_session(Counter, "c").chat("hi") == f"1 {request.config.getoption('usepdb')}"

        def test_two(pumice_session, request):
            assert pumice_session(Counter, "c").chat("hi") == f"1 {request.config.getoption('usepdb')}"
        """)
    )
    pytester.runpytest("-p", "no:cacheprovider").assert_outcomes(passed=2)
    pytester.runpytest("-p", "no:cacheprovider", "--pdb").assert_outcomes(passed=2)
