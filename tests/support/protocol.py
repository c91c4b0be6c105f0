"""The protocol's steps on a database, without processes: what fronts, workers and beats do there, one by one."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

from pumice.agents.context import Call, new_id
from pumice.agents.failures import Failure
from pumice.agents.messages import Message
from pumice.agents.states import RETRY
from pumice.agents.turn import Outcome, Work
from pumice.sessions.accept import Accepted, NewInteraction, accept
from pumice.sessions.claim import ClaimedSession, Wanted, claim
from pumice.sessions.commit import commit
from pumice.sessions.commit_rows import EndedTurn, SessionCommit
from pumice.sessions.connections import StoreConnection
from pumice.sessions.leases import Lease
from pumice.sessions.point_writer import PointWriter
from pumice.settings import Settings

AGENT = "agent"
DAY = 86_400.0
KEEP = 1_000
TABLES = (
    *("agents", "api_keys", "sessions", "interactions", "messages", "ticks", "workers", "keyframes", "snapshots"),
    *("jobs", "job_gaps", "beats", "schedules"),
    *("replays", "replay_sessions", "outgoing_endpoints", "outgoing_events", "outgoing_deliveries"),
)
_tokens = itertools.count(1)
_points: dict[Lease, PointWriter] = {}


def new(session: str = "s", kind: str = "hook", *, key: str | None = None, **fields: Any) -> NewInteraction:
    """An interaction to accept; `key` is its delivery id."""
    given = {"agent_id": AGENT, "name": "hook", "payload": "{}", "dedupe": ("hook", key) if key else None, **fields}
    return NewInteraction(new_id(), session_id=session, kind=kind, **given)


def done(work: Work, *, state: Any = None, said: Sequence[str] = (), calls: Sequence[Call] = ()) -> Outcome:
    """A turn that went well."""
    messages = [Message("assistant", text) for text in said]
    saved = None if state is None else json.dumps(state)
    return Outcome(work, result='{"value": 1}', state=saved, messages=messages, calls=list(calls))


def failed(work: Work, status: str = "failed", **fields: Any) -> Outcome:
    """A turn that went wrong; `status` is failed, dead or retry."""
    return Outcome(work, status, failure=Failure(status, "ValueError", "no", "", work.attempts + 1, **fields))


class Protocol:
    """One process's connection, and a view of the tables."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = StoreConnection(settings)
        self._view = psycopg.connect(settings.database_url, row_factory=dict_row, autocommit=True)

    def accept(self, *wanted: NewInteraction, **options: Any) -> list[Accepted]:
        return accept(self.store, list(wanted), **{"temporary_ttl": 60.0, "window": DAY, **options})

    def claim(self, *sessions: str, agent: str = AGENT, worker: int = 1, **options: Any) -> list[ClaimedSession]:
        """Claim with a token of its own; `limit`, `lease_seconds` and `group` may be given."""
        limit, lease_seconds = options.get("limit", 100), options.get("lease_seconds", 10.0)
        wanted = [Wanted(agent, session, limit) for session in sessions]
        terms = {"lease_seconds": lease_seconds, "group": options.get("group", 0)}
        return claim(self.store, wanted, token=next(_tokens), worker_id=worker, **terms)

    def claim_one(self, session: str = "s", **options: Any) -> ClaimedSession:
        """Claim one session, which must be free and have work."""
        claimed = self.claim(session, **options)
        assert len(claimed) == 1, f"{session} could not be claimed"
        return claimed[0]

    def group(self, session: str = "s") -> int:
        """The group of suspects that a session is in; 0 for one that is trusted."""
        row = self.session(session)
        return row["suspect_group"] if row["probation"] else 0

    def commit(self, *parts: SessionCommit, unsure: bool = False) -> set[Lease]:
        return commit(self.store, parts, temporary_ttl=60.0, lease_seconds=10.0, unsure=unsure)

    def finish(self, claimed: ClaimedSession, *outcomes: Outcome, release: bool = True) -> bool:
        """Commit these outcomes. Returns whether the lease held."""
        return claimed.lease in self.commit(part(claimed, *outcomes, release=release))

    def query(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Rows; what the statement changes is committed."""
        cursor = self._view.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []

    def session(self, session: str = "s") -> dict[str, Any]:
        return self.query("select * from sessions where agent_id = %s and id = %s", AGENT, session)[0]

    def interactions(self, session: str = "s") -> list[dict[str, Any]]:
        statement = "select * from interactions where agent_id = %s and session_id = %s order by seq"
        return self.query(statement, AGENT, session)

    def statuses(self, session: str = "s") -> list[str]:
        return [row["status"] for row in self.interactions(session)]

    def messages(self, session: str = "s") -> list[tuple[int, str]]:
        statement = "select seq, content from messages where agent_id = %s and session_id = %s order by seq"
        return [(row["seq"], row["content"]) for row in self.query(statement, AGENT, session)]

    def empty(self) -> None:
        """Forget everything."""
        self.query(f"truncate {', '.join(TABLES)}")

    def close(self) -> None:
        """Lose the connections that hold something."""
        self.store.close()

    def end(self) -> None:
        """Close everything."""
        self.store.close()
        self._view.close()


def part(claimed: ClaimedSession, *outcomes: Outcome, release: bool = True) -> SessionCommit:
    """A session's next part of a commit."""
    version, claimed.version = claimed.version, claimed.version + len(outcomes)
    return SessionCommit(claimed.lease, version, release, [ended(claimed, outcome) for outcome in outcomes], KEEP)


def ended(claimed: ClaimedSession, outcome: Outcome) -> EndedTurn:
    """A turn that ended, with the point that it leaves."""
    points = _points.setdefault(claimed.lease, PointWriter(claimed, keeps=True))
    return EndedTurn(outcome, 0.2, 0.1, None if outcome.status == RETRY else points.add(outcome))
