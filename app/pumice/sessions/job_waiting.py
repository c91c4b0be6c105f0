"""What a queued run waits for: one reason, the one that keeps it longest from running."""

from datetime import datetime
from typing import NamedTuple

from pumice.agents.states import WaitCode
from pumice.sessions.connections import StoreConnection
from pumice.sessions.job_facts import Facts, RunFacts, SessionFacts
from pumice.sessions.running import find_running
from pumice.sessions.signs_of_life import PATIENCE
from pumice.sessions.statements import Statement

MOST_LISTED = 1_001
"""Interactions of a session that are looked at."""


class _Queued(NamedTuple):
    id: str
    seq: int
    kind: str
    name: str | None
    available_at: datetime
    started_at: datetime | None


class _Workers(NamedTuple):
    alive: int
    serving: int


QUEUE = Statement(
    "list_due_beside_run",
    """
select id::text as id, seq, kind, name, available_at, started_at from interactions
where agent_id = %(agent)s and session_id = %(session)s and status = 'queued' and available_at <= now()
order by seq limit %(most)s
""",
    _Queued,
)
"""What is due in a session, in order."""

WORKERS = Statement(
    "count_live_workers",
    """
select count(*) as alive, count(*) filter (where agents is null or %(agent)s = any(agents)) as serving
from workers where seen_at > now() - %(patience)s * interval '1 second'
""",
    _Workers,
)
"""How many workers live, and how many of them serve an agent."""


def why_waiting(store: StoreConnection, facts: Facts, run: RunFacts) -> tuple[WaitCode, str]:
    """What a queued run waits for, as a code and in words. Raises `StoreAwayError`."""
    session = facts.session
    if session is None:
        return WaitCode.SESSION, "its session is being made or deleted"
    key = {"agent": facts.question.agent_id, "session": session.id, "most": MOST_LISTED}
    due = store.fetch(QUEUE, key)
    running = find_running(due, session.leased_at, sure=False) if session.leased else None
    if running == run.id:
        return WaitCode.RUNNING, f"its turn is running now{_on(session)}"
    return (
        _later(facts, run)
        or _behind(due, running, run, session)
        or _held(facts, session)
        or _unserved(store, facts)
        or _unwoken(facts)
    )


def _later(facts: Facts, run: RunFacts) -> tuple[WaitCode, str] | None:
    """It is not to run yet."""
    if run.available_at <= facts.clock.now:
        return None
    until = _text(run.available_at)
    if run.error:
        failed = f"attempt {run.error.get('attempt', run.attempts)} failed with {run.error.get('type', 'an error')}"
        return WaitCode.RETRY, f"{failed}; it is tried again at {until}"
    return WaitCode.JITTER, f"the job's jitter has it begin at {until}"


def _behind(
    due: list[_Queued], running: str | None, run: RunFacts, session: SessionFacts
) -> tuple[WaitCode, str] | None:
    """Something else of its session comes first."""
    before = [one for one in due if one.seq < run.seq and one.id != running]
    count = f"{len(before)} interactions" if len(before) > 1 else "1 interaction"
    if len(due) == MOST_LISTED:
        count = f"{len(before)} or more interactions"
    for one in due:
        if one.id == running:
            more = f", and {count} of the session before it" if before else ""
            what = f"the {one.kind} {one.name or ''}".rstrip()
            return WaitCode.BEHIND, f"{what} ({one.id}) of its session is running{_on(session)}{more}"
    return (WaitCode.BEHIND, f"{count} of its session come first, from {before[0].id} on") if before else None


def _held(facts: Facts, session: SessionFacts) -> tuple[WaitCode, str] | None:
    """Its session takes nothing at the moment."""
    if session.blocked_until is not None and session.blocked_until > facts.clock.now:
        until = _text(session.blocked_until)
        return WaitCode.BLOCKED, f"its session waits until {until} for the retry of a blocking interaction"
    if session.probation:
        return WaitCode.QUARANTINE, "its session is in quarantine: a worker crashed while it held it"
    if session.leased:
        return WaitCode.BEHIND, f"its session is taken{_on(session)}, and goes on with it"
    return None


def _unserved(store: StoreConnection, facts: Facts) -> tuple[WaitCode, str] | None:
    """No process would run it."""
    question = facts.question
    if question.job is None or (facts.memory and facts.memory.removed_at):
        return WaitCode.CODE, "the job is not in the code any more; the next worker to take it skips it"
    workers = store.fetch(WORKERS, {"agent": question.agent_id, "patience": PATIENCE})[0]
    if not workers.alive:
        return WaitCode.UNSERVED, "no worker is alive"
    if not workers.serving:
        return WaitCode.UNSERVED, f"none of the {workers.alive} live workers serves the agent {question.agent_id}"
    return None


def _unwoken(facts: Facts) -> tuple[WaitCode, str]:
    """Only its turn has to come."""
    tick, question = facts.tick, facts.question
    if tick is not None and tick.done_at is None and not question.is_static and tick.woken < question.session_id:
        place = f"up to {tick.woken!r}" if tick.woken else "to none yet"
        return WaitCode.IN_LINE, f"its tick wakes sessions in the order of their ids, and has come {place}"
    return WaitCode.WORKER, "it was woken, and waits for a free worker"


def _on(session: SessionFacts) -> str:
    return f" on worker {session.worker}" if session.worker else ""


def _text(at: datetime) -> str:
    return at.isoformat()
