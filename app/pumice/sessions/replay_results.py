"""What came out of a replayed session, beside what was recorded."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pumice.agents.comparison import Ran, differences
from pumice.agents.exact_json import from_text, to_text
from pumice.sessions.connections import Transaction
from pumice.sessions.points import resolve
from pumice.sessions.statements import Statement

PAGE = 100
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class _Ids(NamedTuple):
    id: str
    copied: str


class _Turn(NamedTuple):
    id: str
    copied: str | None
    point: int
    kind: str
    name: str | None
    status: str
    result: str | None
    error: str | None
    effects: str | None
    usage: str | None
    seconds: float | None
    candidate_status: str | None
    candidate_point: int | None
    candidate_result: str | None
    candidate_error: str | None
    candidate_effects: str | None
    candidate_usage: str | None
    candidate_seconds: float | None


IDS = Statement(
    "read_replayed_ids",
    """
select id::text as id, md5(%(fork)s || id::text)::uuid::text as copied from interactions
where agent_id = %(agent)s and session_id = %(session)s and point > %(after)s and point <= %(until)s
  and kind <> 'restore' and keyframe is not null
""",
    _Ids,
)
"""The ids of recorded interactions, each with its copy's in a replay's fork."""

TURNS = Statement(
    "read_replayed",
    """
select o.id::text as id, c.id::text as copied, o.point, o.kind, o.name,
  o.status, o.result::text as result, (o.errors -> -1)::text as error, o.effects::text as effects,
  o.usage::text as usage, extract(epoch from o.finished_at - o.started_at)::float8 as seconds,
  c.status as candidate_status, c.point as candidate_point, c.result::text as candidate_result,
  (c.errors -> -1)::text as candidate_error, c.effects::text as candidate_effects,
  c.usage::text as candidate_usage, extract(epoch from c.finished_at - c.started_at)::float8 as candidate_seconds
from interactions o left join interactions c on c.id = md5(%(fork)s || o.id::text)::uuid
where o.agent_id = %(agent)s and o.session_id = %(session)s and o.point > %(after)s and o.point <= %(until)s
  and o.kind <> 'restore' and o.keyframe is not null
order by o.point limit %(page)s
""",
    _Turn,
)
"""Recorded interactions, each with its copy in a replay's fork."""


def compared_turns(
    transaction: Transaction, key: tuple[str, str], fork: str, points: tuple[int, int], ignored: Sequence[str]
) -> str:
    """Compare the turns of a session (agent and id) after the first of two points, up to the last. Returns JSON.

    Raises `PrunedPoint` when a state is not kept any more.
    """
    agent_id, session_id = key
    after, until = points
    found: list[str] = []
    options: dict[str, Any] = {"agent": agent_id, "session": session_id, "fork": fork, "until": until}
    own = _Names(fork, session_id, {row.copied: row.id for row in transaction.fetch(IDS, {**options, "after": after})})
    while rows := transaction.fetch(TURNS, {**options, "after": after, "page": PAGE}):
        after = rows[-1].point
        found += [to_text(_compared(transaction, key, own, row, ignored)) for row in rows]
    return f"[{','.join(found)}]"


def beside_baseline(baseline: str, candidate: str) -> str:
    """What came out on the new code beside what did on the old one, both as JSON. Returns JSON.

    A turn has changed if the two differ: what differs from the recording in the same way on both, such as the time of
    day, is not the new code's doing.
    """
    before = {turn["interactionId"]: turn for turn in from_text(baseline)}
    turns = from_text(candidate)
    for turn in turns:
        was = before.get(turn["interactionId"])
        if was is None:
            continue
        old, new = ({one["what"]: one for one in each["differences"]} for each in (was, turn))
        found = []
        for what in [*new, *(one for one in old if one not in new)]:
            recorded = (new.get(what) or old[what])["recorded"]
            sides = [lane[what]["candidate"] if what in lane else recorded for lane in (old, new)]
            found.append({"what": what, "recorded": recorded, "baseline": sides[0], "candidate": sides[1]})
        turn["differences"] = found
        turn["changed"] = any(to_text(one["baseline"]) != to_text(one["candidate"]) for one in found)
        turn["seconds"]["baseline"] = was["seconds"]["candidate"]
    return to_text(turns)


@dataclass(frozen=True, slots=True)
class _Names:
    """What a fork and the interactions in it are called, and what the session and its interactions are.

    ids: of all recorded interactions, by those of their copies: a state may hold earlier ones too.
    """

    fork: str
    session_id: str
    ids: Mapping[str, str]

    def recorded(self, text: str | None) -> Any:
        """A value of a copy, in which it goes by the names of what was recorded."""
        if text is None:
            return None
        text = text.replace(self.fork, to_text(self.session_id)[1:-1])
        return from_text(UUID.sub(lambda found: self.ids.get(found[0], found[0]), text))


def _compared(
    transaction: Transaction, key: tuple[str, str], own: _Names, row: _Turn, ignored: Sequence[str]
) -> dict[str, Any]:
    agent_id, session_id = key
    state = resolve(transaction, agent_id, session_id, row.id).state
    recorded = Ran(
        row.status, _value(row.result), _value(row.error), _value(row.effects), _value(row.usage), _value(state)
    )
    left = row.candidate_point is not None  # a turn that took its worker with it leaves none
    candidate_state = resolve(transaction, agent_id, own.fork, row.copied).state if left else None
    candidate = Ran(
        row.candidate_status,
        own.recorded(row.candidate_result),
        own.recorded(row.candidate_error),
        own.recorded(row.candidate_effects),
        own.recorded(row.candidate_usage),
        own.recorded(candidate_state),
    )
    found = differences(recorded, candidate, ignored)
    return {
        "interactionId": row.id,
        "kind": row.kind,
        "name": row.name,
        "changed": bool(found),
        "differences": found,
        "seconds": {"recorded": row.seconds, "candidate": row.candidate_seconds},
    }


def _value(text: str | None) -> Any:
    return None if text is None else from_text(text)
