"""Random histories on a real Postgres: a session that went through a file is the same at every point."""

import json
import threading
from contextlib import nullcontext
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pumice.agents.context import new_id
from pumice.agents.state_text import NUL
from pumice.errors import Conflict
from pumice.sessions.conversation import read_after
from pumice.sessions.exporting import Export
from pumice.sessions.forks import NewFork, fork
from pumice.sessions.importing import Imported, import_file
from pumice.sessions.points import resolve
from pumice.sessions.restoring import RestoreOptions, restore
from pumice.sessions.snapshots import NewSnapshot, take
from tests.support.json_documents import DOCUMENTS
from tests.support.protocol import AGENT, Protocol, done, failed, new

STORABLE = DOCUMENTS.filter(lambda value: not NUL.search(json.dumps(value)))
"""Documents that a turn may leave: what holds NUL characters is refused there, and in a file."""
VALUES = STORABLE | st.integers(1_000, 60_000).map(lambda size: "".join(f"{n:05}" for n in range(size // 5)))
TURNS = st.tuples(st.just("turn"), VALUES, st.integers(0, 2))
STEPS = TURNS | st.sampled_from([("fail", None, 0), ("queue", None, 0), ("name", None, 0)]) | st.tuples(
    st.sampled_from(["fork", "restore"]), st.integers(0, 30), st.just(0)
)  # fmt: skip


class History:
    """A session that is led through steps, and its forks."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.name = f"s-{new_id()}"
        self.points: list[str] = []
        self.state: dict[str, Any] = {}

    def step(self, what: str, value: Any, said: int) -> None:
        store = self.protocol.store
        if what in {"turn", "fail"}:
            self.protocol.accept(one := new(self.name))
            claimed = self.protocol.claim_one(self.name)
            self.state = {**self.state, f"key {len(self.points) % 3}": value}
            words = [f"{one.id} {place}" for place in range(said)]
            outcomes = [done(work, state=self.state, said=words) for work in claimed.work]
            if what == "fail":
                outcomes = [failed(work) for work in claimed.work]
            self.protocol.finish(claimed, *outcomes)
            self.points.append(one.id)
        elif what == "queue":
            self.protocol.accept(new(self.name, kind="call"))
            later = (
                "update interactions set available_at = now() + '1 day'::interval where session_id = %s and status = %s"
            )
            self.protocol.query(later, self.name, "queued")
        elif self.points and what == "name":
            take(store, AGENT, self.name, NewSnapshot(f"n{len(self.points)}-{new_id()}"))
        elif self.points:
            at = self.points[value % len(self.points)]
            self.state = json.loads(resolve(store, AGENT, self.name, at).state or "{}")
            if what == "restore":
                restore(store, AGENT, self.name, at, RestoreOptions("keep", cancel=False))
            else:
                fork(store, AGENT, self.name, NewFork(name := f"f-{new_id()}"), at=at)
                self.name, self.points = name, self.points[: self.points.index(at) + 1]


def seen(store: Any, session: str, at: str | None) -> tuple[Any, ...]:
    point = resolve(store, AGENT, session, at)
    rows = read_after(store, AGENT, point.session_id, point.parts, limit=1_000)
    told = (point.state_version, point.code_version, point.point, point.message_count)
    return (
        point.state and json.dumps(json.loads(point.state)),
        told,
        [(row.seq, row.role, row.content) for row in rows],
    )


def exported(protocol: Protocol, session: str, at: str | None = None) -> bytes:
    return b"".join(Export(lambda: nullcontext(protocol.store), AGENT, session, at, None).lines())


def copied(protocol: Protocol, content: bytes) -> Imported:
    return import_file(protocol.store, AGENT, f"c-{new_id()}", BytesIO(content))


def asked(row: dict[str, Any]) -> Any:
    """An interaction's payload; of a restore the point, since the interaction that it names has another id here."""
    return row["payload"]["point"] if row["kind"] == "restore" else row["payload"]


def everything(protocol: Protocol, session: str) -> list[Any]:
    rows = protocol.interactions(session)
    names = protocol.query(
        "select name from snapshots where agent_id = %s and session_id = %s and name not like %s order by name",
        AGENT, session, "$%",
    )  # fmt: skip
    points = [str(row["id"]) for row in rows if row["point"] is not None]
    left = [(row["kind"], asked(row), row["result"], row["attempts"]) for row in rows]
    stands = [seen(protocol.store, session, at) for at in [None, *points, *(row["name"] for row in names)]]
    return [left, [row["name"] for row in names], stands]


@hypothesis_settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(STEPS, min_size=1, max_size=12))
def test_a_session_that_went_through_a_file_is_the_same_at_every_point(protocol, steps):
    history = History(protocol)
    history.step("turn", 0, 1)
    for step in steps:
        history.step(*step)
    copy = copied(protocol, exported(protocol, history.name)).session_id
    assert everything(protocol, copy) == everything(protocol, history.name)
    again = copied(protocol, exported(protocol, copy)).session_id
    assert everything(protocol, again) == everything(protocol, copy)
    for at in history.points:
        assert seen(protocol.store, copied(protocol, exported(protocol, history.name, at)).session_id, None) == seen(
            protocol.store, history.name, at
        )


def test_of_two_imports_of_one_id_one_is_whole_and_the_other_is_refused(protocol):
    history = History(protocol)
    for value in range(30):
        history.step("turn", "x" * 5_000 + str(value), 1)
    content, name = exported(protocol, history.name), f"c-{new_id()}"
    others = [Protocol(protocol.settings) for _ in range(4)]
    made: list[Imported] = []
    refused: list[Conflict] = []

    def run(other: Protocol) -> None:
        try:
            made.append(import_file(other.store, AGENT, name, BytesIO(content)))
        except Conflict as problem:
            refused.append(problem)

    threads = [threading.Thread(target=run, args=(other,)) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for other in others:
        other.end()
    assert (len(made), len(refused)) == (1, 3)
    assert (made[0].messages, made[0].interactions) == (30, 30)
    assert len(protocol.interactions(name)) == 30
    assert len(protocol.messages(name)) == 30


def test_an_import_whose_process_dies_leaves_nothing(protocol):
    history = History(protocol)
    for value in range(250):
        history.step("turn", value, 1)
    content, name = exported(protocol, history.name), f"c-{new_id()}"
    dying = Protocol(protocol.settings)

    class Dying(BytesIO):
        """A file in whose middle the process loses its connection, as one that is killed does."""

        def readline(self, size: int | None = -1, /) -> bytes:
            if self.tell() > len(content) * 0.9:
                dying.store.connection.close()
            return super().readline(size)

    with pytest.raises(Exception, match="closed"):
        import_file(dying.store, AGENT, name, Dying(content))
    dying.end()
    counts = [
        protocol.query(f"select count(*) as n from {table} where session_id = %s", name)[0]["n"]
        for table in ("interactions", "messages", "keyframes", "snapshots")
    ]
    assert counts == [0, 0, 0, 0]
    assert protocol.query("select id from sessions where id = %s", name) == []
