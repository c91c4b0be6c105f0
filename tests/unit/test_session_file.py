"""The file of an exported session: what is written comes back, and what is broken is refused by its line."""

import json
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice.agents.context import new_id
from pumice.agents.session_file import (
    Header,
    Line,
    Metadata,
    SessionWriter,
    Snapshot,
    Stand,
    StoredInteraction,
    StoredMessage,
    read_session,
)
from pumice.errors import BadSessionFile
from tests.support.json_documents import DOCUMENTS

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HUGE = 10**400 + 7


def stand(number: int, **options: Any) -> Stand:
    return Stand(number=number, conversation=[[0, number]], **options)


def header(state: Any = None, agent: str = "desk", number: int = 2) -> Header:
    times: dict[str, Any] = {"exported_at": NOW, "created_at": NOW, "updated_at": NOW}
    point = stand(number, state=state)
    return Header(pumice="session", version=1, agent=agent, session_id="c1", point=point, **times)


def message(seq: int, content: str = "hi") -> StoredMessage:
    return StoredMessage(type="message", seq=seq, role="user", content=content, interaction_id="i1", created_at=NOW)


def interaction(name: str, point: Stand | None = None, **options: Any) -> StoredInteraction:
    given: dict[str, Any] = {"kind": "chat", "payload": {"n": HUGE}, "status": "done", "accepted_at": NOW, **options}
    return StoredInteraction(type="interaction", id=name, point=point, **given)


def lines() -> list[Line]:
    return [
        header({"z": HUGE, "a": 1.5}),
        Metadata(type="metadata", metadata={"plan": "pro"}),
        Snapshot(type="snapshot", name="s", created_at=NOW, point=stand(1, state={"z": 1})),
        message(0),
        message(1),
        interaction("i1", stand(1, state={"z": 1})),
        interaction("i2", stand(2, state={"z": HUGE, "a": 1.5})),
    ]


def written(of: list[Line], redact: Any = None) -> list[bytes]:
    writer = SessionWriter(redact)
    return [*filter(None, map(writer.line, of)), writer.end()]


def read(raw: list[bytes], agent: str | None = None) -> list[Line]:
    return [line for _, line in read_session(BytesIO(b"".join(raw)), agent)]


def refusal(raw: list[bytes], agent: str | None = None) -> str:
    with pytest.raises(BadSessionFile) as caught:
        read(raw, agent)
    assert caught.value.document()["status"] == 422
    return str(caught.value)


def changed(number: int, **fields: Any) -> list[bytes]:
    raw = written(lines())
    raw[number - 1] = json.dumps({**json.loads(raw[number - 1]), **fields}).encode() + b"\n"
    return raw


def test_what_is_written_comes_back():
    back = read(written(lines()), "desk")
    assert [line.document() for line in back[:-1]] == [line.document() for line in lines()]
    assert json.dumps(back[0].document()["point"]["state"]) == json.dumps({"z": HUGE, "a": 1.5})


@given(st.lists(st.dictionaries(st.text(max_size=3), DOCUMENTS, max_size=3) | st.none(), max_size=6))
def test_states_come_back_exactly(states):
    of = [header({}, number=6), *(interaction(f"i{n}", stand(n, state=one)) for n, one in enumerate(states, 1))]
    back = [line.point.state for line in read(written(of)) if isinstance(line, StoredInteraction) and line.point]
    assert [json.dumps(one) for one in back] == [json.dumps(one) for one in states]


def test_a_large_state_in_which_little_changes_is_told_as_its_difference():
    states = [{"orders": {f"order {n}": "sent" for n in range(6_000)}, "turn": turn} for turn in range(50)]
    left = [interaction(f"i{n}", stand(n, state=state)) for n, state in enumerate(states, 1)]
    raw = written([header(states[0], number=50), *left])
    assert len(raw[0]) > 100_000
    assert max(map(len, raw[1:])) < 1_500
    points = [line.point for line in read(raw) if isinstance(line, StoredInteraction)]
    assert [point and point.state for point in points] == states


def test_a_pruned_point_has_no_state():
    found = read(written([header(), interaction("i1", stand(1))]))[1]
    assert isinstance(found, StoredInteraction)
    assert found.point is not None
    assert not found.point.has_state


@pytest.mark.parametrize("cut", [1, 3, 7])
def test_a_file_that_was_cut_off_is_noticed(cut):
    raw = written(lines())[:cut]
    assert refusal(raw) == f"line {cut + 1}: the file ends before its last line: it was cut off"
    assert refusal([*raw[:-1], raw[-1][:-1]]).startswith(f"line {cut}: it has no line break")


def test_an_empty_file_is_refused():
    assert refusal([]).startswith("line 1: ")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (changed(1, version=2), "line 1: it is of version 2, and this release reads 1"),
        (changed(1, pumice="agent"), "line 1: this is no exported session"),
        (changed(1, agent=3), "line 1: the line does not fit: agent"),
        (changed(4, seq=-1), "line 4: the line does not fit: seq"),
        (changed(4, role="\x00"), "line 4: the line does not fit: role"),
        (changed(4, content="\x00", colour="red"), "line 4: the line does not fit: colour"),
        (changed(5, seq=0), "line 5: seq: 0 must not come after 0"),
        (changed(6, body="%"), "line 6: body: must be base64"),
        (changed(7, id="i1"), "line 7: the interaction 'i1' stands in a line before"),
        (changed(1, version=True), "line 1: the line does not fit: version"),
        (changed(1, version=1.0), "line 1: the line does not fit: version"),
        (changed(1, createdAt="9999-12-31T23:59:59-14:00"), "line 1: the line does not fit: createdAt: must be of"),
        (changed(1, createdAt="0001-01-01T00:00:00+14:00"), "line 1: the line does not fit: createdAt: must be of"),
        (changed(6, acceptedAt="0001-01-01T00:00:00+14:00"), "line 6: the line does not fit: acceptedAt: must be of"),
        (changed(1, point={"number": 2**63 - 1, "conversation": [[0, 2]]}), "line 1: the line does not fit: point.num"),
        (changed(1, point={"number": 2, "conversation": [[0, 2**31 - 1]]}), "line 1: the line does not fit: point.con"),
        (changed(2, metadata={"a": "x" * 16_384}), "line 2: metadata: must not be larger than 16384 bytes"),
        (changed(2, metadata={"a": float("inf")}), "line 2: is not JSON"),
        *((changed(3, name=name), "line 3: name: ") for name in ("$fork:q", "", "x" * 5_000, new_id())),
        (changed(3, point={"number": 3, "conversation": [[0, 1]]}), "line 3: point.number: the file ends at 2"),
        (changed(5, seq=2), "line 5: seq: the session's next message is 2"),
        (changed(6, point={"number": 0, "conversation": [[0, 1]]}), "line 6: point.number: a turn leaves no point"),
        (changed(6, point={"number": 3, "conversation": [[0, 1]]}), "line 6: point.number: the file ends at 2"),
        (changed(7, point={"number": 2, "conversation": [[0, 3]]}), "line 7: point.conversation: the file's ends at 2"),
        (changed(7, point={"number": 1, "conversation": [[0, 1]]}), "line 7: the point 1 stands in a line before"),
        (changed(7, point={"number": 1}), "line 7: the line does not fit: point.conversation"),
        (changed(7, type="message"), "line 7: a line of type message must not come after one of type interaction"),
        (changed(1, timezone="Mars/Olympus"), "line 1: the line does not fit: timezone"),
        (changed(7, type="poem"), "line 7: type: must be one of"),
        (changed(4, content="other"), "line 8: sha256: the lines before are not those"),
        (changed(8, messages=3), "line 8: messages: 3 are counted, and there are 2"),
        ([*written(lines()), b"{}\n"], "line 9: nothing may come after"),
        ([*written(lines())[:2], b"{\n"], "line 3: is not JSON"),
        ([*written(lines())[:2], b'{"type": NaN}\n'], "line 3: is not JSON: NaN is not JSON"),
        ([*written(lines())[:2], b"[]\n"], "line 3: must be a JSON object"),
        ([*written(lines())[:2], b"\xff\n"], "line 3: is not valid Unicode"),
        ([*written(lines())[:2], b'{"type": "\\ud800"}\n'], "line 3: is not valid Unicode: surrogates not allowed"),
        ([*written(lines())[:2], b"[" * 200_000 + b"\n"], "line 3: is not JSON: it is nested too deeply"),
    ],
)
def test_what_is_broken_is_refused_by_its_line(raw, said):
    assert refusal(raw).startswith(said)


def test_a_file_of_another_agent_is_refused():
    assert refusal(written(lines()), "shop") == "line 1: it is a session of the agent 'desk', not of 'shop'"


def test_redact_sees_each_line_whole_and_leaves_what_it_likes():
    seen = []

    def redact(document):
        seen.append(document["type"])
        if document["type"] == "snapshot":
            return None
        if "point" in document and document["point"] is not None:
            document["point"]["state"] = {"z": "hidden"}
        return document

    found = read(written(lines(), redact))
    assert seen == ["session", "metadata", "snapshot", "message", "message", "interaction", "interaction"]
    assert [type(line).__name__ for line in found].count("Snapshot") == 0
    points = [line.point for line in found if isinstance(line, Header | StoredInteraction)]
    assert [point and point.state for point in points] == [{"z": "hidden"}] * 3


@pytest.mark.parametrize(
    ("redact", "said"),
    [
        (lambda line: None, "line 1: what redact() returned must be an object, not None"),
        (lambda line: {**line, "secret": 1}, "line 1: what redact() returned does not fit: secret"),
        (lambda line: {**line, "agent": object()}, "line 1: what redact() returned does not fit: agent"),
        (lambda line: "x", "line 1: what redact() returned must be an object, not 'x'"),
    ],
)
def test_what_redact_breaks_is_named_by_its_line(redact, said):
    with pytest.raises(BadSessionFile) as caught:
        written(lines(), redact)
    assert str(caught.value).startswith(said)
