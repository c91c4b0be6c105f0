"""Replays: starting and stopping one, and its report. What runs it is `replay_steps`."""

import uuid
from dataclasses import dataclass
from typing import Any, NamedTuple

from pumice.agents.context import new_id
from pumice.agents.json_text import dumps
from pumice.agents.names import UUID_FORM
from pumice.agents.releases import STABLE_NAME
from pumice.errors import InvalidField, UnknownReplay, UnknownSession
from pumice.sessions.canaries import has_workers
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.points import resolve
from pumice.sessions.replay_lanes import Lane, remove
from pumice.sessions.statements import NoRow, Statement

OPEN = {"queued", "running"}
"""What a session's replay is until it has ended."""
KEPT_DAYS = 7
"""Days after which a report is forgotten when the agent's next replay starts."""


class _Id(NamedTuple):
    id: str


class _Replay(NamedTuple):
    id: str
    request: dict[str, Any]
    created_at: str


class _Session(NamedTuple):
    session_id: str
    status: str
    turns: list[dict[str, Any]] | None
    error: str | None


FORGET = Statement(
    "forget_old_replays",
    """
delete from replays r where r.agent_id = %(agent)s and r.created_at < now() - make_interval(days => %(days)s)
  and not exists (select from replay_sessions s where s.replay_id = r.id and s.status in ('queued', 'running'))
""",
    NoRow,
)
"""Forgets reports that are old."""

SAMPLE = Statement(
    "sample_sessions",
    """
select id from sessions where agent_id = %(agent)s and deleted_at is null and id not like '$%%'
order by md5(id || %(seed)s) limit %(sample)s
""",
    _Id,
)
"""Some of an agent's sessions, by chance."""

INSERT = Statement(
    "insert_replay",
    "insert into replays (id, agent_id, request) values (%(id)s::uuid, %(agent)s, %(request)s::json)",
    NoRow,
)
"""Notes a replay."""

INSERT_SESSIONS = Statement(
    "insert_replay_sessions",
    """
insert into replay_sessions (replay_id, number, agent_id, session_id, lane)
select %(id)s::uuid, s.number, %(agent)s, s.id, %(lane)s
from unnest(%(sessions)s::text[]) with ordinality as s(id, number)
""",
    NoRow,
)
"""Notes the sessions of a replay, for workers to take."""

READ = Statement(
    "read_replay",
    """
select id::text as id, request, created_at::text as created_at from replays
where agent_id = %(agent)s and id = %(id)s::uuid
""",
    _Replay,
)
"""One replay."""

READ_SESSIONS = Statement(
    "read_replay_sessions",
    "select session_id, status, turns, error from replay_sessions where replay_id = %(id)s::uuid order by number",
    _Session,
)
"""The sessions of a replay, with what came out."""

LIST = Statement(
    "list_replays",
    """
select id::text as id, request, created_at::text as created_at from replays
where agent_id = %(agent)s and id < %(before)s::uuid order by id desc limit %(limit)s
""",
    _Replay,
)
"""The newest replays of an agent."""

STOP = Statement(
    "stop_replay",
    """
update replay_sessions s set status = 'stopped', checked_at = clock_timestamp() from replays r
where r.id = %(id)s::uuid and r.agent_id = %(agent)s and s.replay_id = r.id and s.status in ('queued', 'running')
returning s.replay_id::text as replay, s.number, s.agent_id, s.session_id, s.status, s.start, s.position, s.until,
  null as after, null as model, r.request ->> 'baseline' as old_release, r.request ->> 'candidate' as new_release,
  s.lane, null as baseline
""",
    Lane,
)
"""Ends what has not ended of a replay."""


@dataclass(frozen=True, slots=True)
class NewReplay:
    """What to replay: these sessions, or a sample of them, or of all when none is named; after a point, if one is.

    candidate, baseline: the releases whose workers run it, and run it beside; without the first, the stable ones.
    """

    sessions: tuple[str, ...] = ()
    sample: int | None = None
    after: str | None = None
    model: str = "recorded"
    baseline: str | None = None
    candidate: str | None = None


def start(store: StoreConnection, agent_id: str, new: NewReplay) -> str:
    """Have sessions replayed. Returns the replay's id.

    Raises `UnknownSession`, `UnknownPoint`, `PrunedPoint`, `StoreAwayError`, and `InvalidField` for a release that has
    no workers; then nothing was started.
    """
    replay = new_id()
    with store.transaction() as transaction:
        _check_releases(transaction, new)
        lane = "candidate" if new.baseline is None else "baseline"
        chosen = _chosen(transaction, agent_id, new, replay)
        for session_id in chosen:
            _check(transaction, agent_id, session_id, new.after)
        request = {"sessions": list(new.sessions), "sample": new.sample, "from": new.after, "model": new.model}
        request |= {"baseline": new.baseline, "candidate": new.candidate}
        transaction.fetch(FORGET, {"agent": agent_id, "days": KEPT_DAYS})
        transaction.fetch(INSERT, {"id": replay, "agent": agent_id, "request": dumps(request).decode()})
        transaction.fetch(INSERT_SESSIONS, {"id": replay, "agent": agent_id, "sessions": chosen, "lane": lane})
    return replay


def stop(store: StoreConnection, agent_id: str, replay: str) -> dict[str, Any]:
    """End a replay, and delete the forks in which it runs; one that has ended stays as it is. Returns its report.

    Raises `UnknownReplay`, `StoreAwayError`.
    """
    if UUID_FORM.fullmatch(replay):
        with store.transaction() as transaction:
            for lane in transaction.fetch(STOP, {"agent": agent_id, "id": replay}):
                if lane.start is not None:
                    remove(store, lane)
    return report(store, agent_id, replay)


def report(store: StoreConnection, agent_id: str, replay: str) -> dict[str, Any]:
    """What came out of a replay so far. Raises `UnknownReplay`."""
    found = store.fetch(READ, {"agent": agent_id, "id": replay}) if UUID_FORM.fullmatch(replay) else []
    if not found:
        raise UnknownReplay
    rows = store.fetch(READ_SESSIONS, {"id": replay})
    turns = [turn for row in rows for turn in row.turns or ()]
    return {
        "replayId": found[0].id,
        "status": _status(rows),
        "turns": len(turns),
        "changed": sum(turn["changed"] for turn in turns),
        "sessionsDone": sum(row.status not in OPEN for row in rows),
        "request": found[0].request,
        "createdAt": found[0].created_at,
        "sessions": [
            {"sessionId": row.session_id, "status": row.status, "error": row.error, "turns": row.turns or []}
            for row in rows
        ],
    }


def list_(store: StoreConnection, agent_id: str, *, before: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest replays, older than `before`, without what came out."""
    newest = str(uuid.UUID(int=2**128 - 1))
    rows = store.fetch(LIST, {"agent": agent_id, "before": before or newest, "limit": limit})
    return [{"replayId": row.id, "request": row.request, "createdAt": row.created_at} for row in rows]


def _chosen(transaction: Transaction, agent_id: str, new: NewReplay, seed: str) -> list[str]:
    if not new.sessions:
        rows = transaction.fetch(SAMPLE, {"agent": agent_id, "seed": seed, "sample": new.sample})
        return [row.id for row in rows]
    named = list(dict.fromkeys(new.sessions))
    return named if new.sample is None else named[: new.sample]


def _check(transaction: Transaction, agent_id: str, session_id: str, after: str | None) -> None:
    try:
        resolve(transaction, agent_id, session_id, after, read=False)
    except UnknownSession:
        raise UnknownSession(f"There is no session {session_id!r}; nothing was started.") from None


def _check_releases(transaction: Transaction, new: NewReplay) -> None:
    for field, release in (("baseline", new.baseline), ("candidate", new.candidate)):
        if release not in {None, STABLE_NAME} and not has_workers(transaction, release or ""):
            raise InvalidField(field, f"no worker of a release {release!r} is there: set RELEASE for some")


def _status(rows: list[_Session]) -> str:
    found = {row.status for row in rows}
    if found & OPEN:
        return "running"
    return next((status for status in ("stopped", "failed") if status in found), "done")
