"""What can be saved and what is refused, with the field named: states, results, responses, replies."""

import json
from typing import Annotated, Any

import pytest
from pydantic import ConfigDict, Field

from pumice import Agent, Message, Response, hook
from tests.support.turns import bench


class Keeper(Agent):
    class State(Agent.State):
        good: int = 1
        scores: list[Annotated[int, Field(ge=0)]] = []
        ratio: float = 1.0
        names: dict[str, str] = {}
        anything: Any = None

    def keep(self, name):
        state = self.state
        {
            "scores": lambda: state.scores.append(-1),
            "ratio": lambda: setattr(state, "ratio", float("nan")),
            "names": lambda: state.names.update(a=5),
            "anything": lambda: setattr(state, "anything", object()),
            "surrogate": lambda: state.names.update(a="\ud800"),
            "nul": lambda: state.names.update(a="\x00"),
            "replaced": lambda: setattr(self, "state", {"good": 1}),
            "backslash": lambda: state.names.update(a="\\u0000"),
        }[name]()


@pytest.mark.parametrize(
    ("case", "field"),
    [
        ("scores", "state.scores"),
        ("ratio", "state.ratio"),
        ("names", "state.names"),
        ("anything", "state.anything"),
        ("surrogate", "state.names"),
        ("nul", "state"),
        ("replaced", "state"),
    ],
)
def test_a_state_that_could_not_be_loaded_again_is_refused(case, field):
    session = bench(Keeper, state="{}")
    outcome = session.call("keep", case)
    assert outcome.failure is not None
    assert outcome.failure.type == "SerializationError"
    assert outcome.failure.message.startswith(field)
    assert session.live.state == "{}"


def test_a_backslash_is_no_nul():
    session = bench(Keeper)
    assert session.call("keep", "backslash").status == "done"
    assert session.state["names"] == {"a": "\\u0000"}


def test_a_stored_state_that_does_not_fit_is_named():
    outcome = bench(Keeper, state='{"scores": ["x"]}').call("keep", "ratio")
    assert outcome.failure is not None
    assert (outcome.status, outcome.failure.code, outcome.failure.attempt) == ("retry", "state-invalid", 0)
    assert outcome.failure.message.startswith("the stored state can't be loaded: state.scores.0: ")


class Answers(Agent):
    value: Any = None

    def reply(self, messages):
        return type(self).value

    @hook("x")
    def take(self, request):
        return type(self).value

    def give(self):
        return type(self).value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": {"b": [1, object()]}}, "the response.json.a.b[1]"),
        ({1: 2}, "the response.json"),
        (2**70, "the response.json"),
        ("\ud800", "the response.text"),
    ],
)
def test_a_response_that_is_not_json_names_the_field(value, message):
    Answers.value = value
    outcome = bench(Answers).hook("x")
    assert outcome.failure is not None
    assert outcome.failure.message.startswith(message)


def test_a_result_that_is_not_json_names_the_field():
    Answers.value = {"deep": {"er": object()}}
    outcome = bench(Answers).call("give")
    assert outcome.failure is not None
    assert outcome.failure.message.startswith("the result.value.deep.er")


def test_models_and_sets_are_json():
    Answers.value = {"state": Keeper.State(), "set": {2, 1}}
    value = json.loads(bench(Answers).call("give").result or "")["value"]
    assert (value["state"]["good"], value["set"]) == (1, [1, 2])


def test_a_response_object_passes():
    Answers.value = Response(b"\x00", 418)
    assert '"status":418' in (bench(Answers).hook("x").result or "")


@pytest.mark.parametrize("value", [None, 5, {"a": 1}, ["a"], b"bytes"])
def test_a_reply_that_is_no_text_fails(value):
    Answers.value = value
    outcome = bench(Answers).chat("hi")
    assert outcome.failure is not None
    assert "reply must give text" in outcome.failure.message


def test_a_reply_may_be_a_message_with_parts():
    Answers.value = Message("assistant", [{"type": "text", "text": "hi"}])
    assert bench(Answers).chat("hi").messages[-1] == Answers.value


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Message("assistant", [{"type": "text", "odd": object()}]), "the reply.content"),
        (Message("assistant", "hi", {"odd": object()}), "the reply.data"),
        (Message("assis\x00tant", "hi"), "the reply.role"),
    ],
)
def test_a_reply_that_could_not_be_stored_is_refused_in_its_turn(value, field):
    Answers.value = value
    outcome = bench(Answers).chat("hi")
    assert (outcome.status, outcome.messages) == ("failed", [])
    assert outcome.failure is not None
    assert outcome.failure.message.startswith(field)


def test_a_reply_is_kept_as_it_is_stored():
    Answers.value = Message("assistant", [{"type": "text", "pair": (1, 2)}], {"set": {1}})
    assert bench(Answers).chat("hi").messages[-1] == Message(
        "assistant", [{"type": "text", "pair": [1, 2]}], {"set": [1]}
    )


def test_numbers_that_json_has_no_word_for_are_refused():
    class Loose(Agent):
        class State(Agent.State):
            model_config = ConfigDict(ser_json_inf_nan="constants")
            text: str = "NaN"
            ratio: float = 1.0

        def keep(self, ratio):
            self.state.ratio = float(ratio)

    session = bench(Loose)
    assert session.call("keep", "2").status == "done"
    outcome = session.call("keep", "-inf")
    assert outcome.failure is not None
    assert (
        outcome.failure.message == "state.ratio can't be stored as JSON: it holds -Infinity, for which JSON has no word"
    )
