"""Jobs of the agent Reminders on the protocol's database: rows as beats and the fan-out leave them, and questions."""

from datetime import datetime
from typing import Any

from pumice.agents.spec import describe
from pumice.sessions.job_explain import Explanation, explain
from pumice.sessions.job_facts import Question, asked_session
from tests.support.agents_reminders import Reminders
from tests.support.protocol import AGENT, Protocol

DAYS = 86_400.0


class JobDesk:
    """What there is of jobs, and what is asked about them."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.store = protocol.store
        self.jobs = dict(describe(Reminders).jobs)

    def remember(self, job: str, **columns: Any) -> None:
        """A job's row."""
        self._insert("jobs", {"agent_id": AGENT, "name": job, "declaration": "", **columns})

    def tick(self, job: str, at: datetime, **columns: Any) -> None:
        """A tick, fanned out and done unless `columns` says otherwise."""
        over = {"created_at": at, "inserted_at": at, "done_at": at}
        self._insert("ticks", {"agent_id": AGENT, "job": job, "scheduled_for": at, **over, **columns})

    def gap(self, job: str, first: datetime, last: datetime, reason: str, count: int = 1) -> None:
        """Due times that were not run."""
        row = {"first_at": first, "last_at": last, "reason_code": reason, "count": count}
        self._insert("job_gaps", {"agent_id": AGENT, "job": job, **row})

    def session(self, name: str = "s", **columns: Any) -> None:
        """A session, made in 2020."""
        made = {"created_at": datetime.fromisoformat("2020-01-01T00:00:30.5Z")}
        self._insert("sessions", {"agent_id": AGENT, "id": name, **made, **columns})

    def run(self, job: str, at: datetime, session: str = "s", **columns: Any) -> str:
        """A run of a job, queued unless `columns` says otherwise. Returns its id."""
        row = {"agent_id": AGENT, "session_id": session, "kind": "job", "name": job, "payload": "{}"}
        return self._insert("interactions", {**row, "scheduled_for": at, **columns}, "pumice_uuid7()")

    def explain(self, job: str, at: datetime, session: str | None = "s", retention: float = 3e9) -> Explanation:
        """What happened."""
        declared = self.jobs.get(job)
        return explain(self.store, Question(AGENT, job, declared, asked_session(declared, job, session), at, retention))

    def told(self, job: str, at: datetime, session: str | None = "s") -> tuple[str, str | None]:
        """What happened: the outcome, and the code of its reason."""
        found = self.explain(job, at, session)
        return found.outcome.value, found.code

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table of jobs, in the order of their times."""
        order = {"ticks": "scheduled_for", "job_gaps": "first_at", "jobs": "name"}[table]
        return self.protocol.query(f"select * from {table} order by {order}")

    def _insert(self, table: str, columns: dict[str, Any], new_id: str = "") -> str:
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
        if not new_id:
            self.protocol.query(f"insert into {table} ({names}) values ({marks})", *columns.values())
            return ""
        statement = f"insert into {table} (id, {names}) values ({new_id}, {marks}) returning id::text as id"
        found: str = self.protocol.query(statement, *columns.values())[0]["id"]
        return found
