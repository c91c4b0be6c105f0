"""Late or not run? For a session, a job and a time: what happened, or what it waits for.

The rules are asked one after the other, and the first that knows answers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pumice.agents.schedules import is_due
from pumice.agents.states import JobOutcome, NotDueCode, Reason, Status, TickKind, WaitCode, reason_words
from pumice.errors import ForgottenRun, UnknownJob
from pumice.sessions.connections import StoreConnection
from pumice.sessions.job_facts import Facts, Question, RunFacts, gather, schedule_in
from pumice.sessions.job_waiting import why_waiting

OUTCOMES = {
    Status.DONE: JobOutcome.RAN,
    Status.FAILED: JobOutcome.FAILED,
    Status.DEAD: JobOutcome.FAILED,
    Status.SKIPPED: JobOutcome.SKIPPED,
    Status.CANCELLED: JobOutcome.SKIPPED,
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened. code, reason: why, for programs and in words; none for a run that went well.

    at: the due time that it is about. run: its interaction, if there is one. before, after: the job's due times in
    that session next to a time that is none.
    """

    outcome: JobOutcome
    at: datetime
    code: str | None = None
    reason: str | None = None
    run: RunFacts | None = None
    before: datetime | None = None
    after: datetime | None = None

    def document(self) -> dict[str, Any]:
        """The explanation as clients see it."""
        run = self.run
        error: Mapping[str, Any] = (run.error if run is not None else None) or {}
        shown = {name: error[name] for name in ("attempt", "code", "type", "message") if name in error}
        return {
            "outcome": self.outcome.value,
            "reason": self.reason,
            "reasonCode": self.code,
            "scheduledFor": self.at.isoformat(),
            "interactionId": run.id if run is not None else None,
            "attempts": run.attempts if run is not None else 0,
            "error": shown or None,
            "startedAt": _text(run.started_at if run is not None else None),
            "finishedAt": _text(run.finished_at if run is not None else None),
            "dueBefore": _text(self.before),
            "dueAfter": _text(self.after),
        }


def explain(store: StoreConnection, question: Question) -> Explanation:
    """What happened there and then. Raises `UnknownJob`, `StoreAwayError`.

    Raises `ForgottenRun` for a run that is older than what is kept.
    """
    facts = gather(store, question)
    if facts.run is not None:
        return _of_run(store, facts, facts.run)
    if question.job is None and facts.memory is None and facts.tick is None:
        raise UnknownJob
    for rule in _RULES:
        if (found := rule(facts)) is not None:
            return found
    if not _is_kept(facts):
        raise ForgottenRun
    reason = "its tick made no run for the session" if facts.tick else "nothing is recorded: it was no due time then"
    return _not_due(facts, NotDueCode.UNRECORDED, reason)


def _of_run(store: StoreConnection, facts: Facts, run: RunFacts) -> Explanation:
    """It has an interaction."""
    if run.status == Status.QUEUED:
        code, reason = why_waiting(store, facts, run)
        return Explanation(JobOutcome.WAITING, facts.at, code, reason, run)
    outcome = OUTCOMES[Status(run.status)]
    if outcome is not JobOutcome.FAILED:
        return Explanation(outcome, facts.at, run.reason_code, run.reason, run)
    error = run.error or {}
    reason = ": ".join(str(error[name]) for name in ("type", "message") if error.get(name))
    return Explanation(outcome, facts.at, error.get("code") or run.status, reason or run.reason, run)


def _of_session(facts: Facts) -> Explanation | None:
    """The session is not there, or none of those that the clock runs the job on."""
    session, job = facts.session, facts.question.job
    if facts.question.is_static:
        return None
    if session is None:
        return _not_due(facts, NotDueCode.NO_SESSION, "there is no such session, or it was deleted")
    if session.temporary and job is not None and not job.temporary:
        return _not_due(facts, NotDueCode.TEMPORARY, "the session is temporary; the job is not for temporary sessions")
    return _made_later(facts) if facts.tick is None else None


def _of_schedule(facts: Facts) -> Explanation | None:
    """The job is not due then in that session. What was asked for by hand is due whenever that was."""
    job, tick = facts.question.job, facts.tick
    if job is None or (tick is not None and tick.kind == TickKind.MANUAL):
        return None
    schedule, zone = schedule_in(job, facts.session)
    if is_due(schedule, facts.at, zone) or (tick is not None and not job.is_local and not job.by_creation):
        return None
    code, reason = NotDueCode.NO_DUE_TIME, f"the job ({job.declaration}) is not due at that time"
    if tick is not None and job.is_local:
        code = NotDueCode.TIMEZONE
        reason = f"the job is due at that time in other timezones, not in the session's, {zone}"
    before, after = schedule.latest(facts.at, zone), schedule.next(facts.at, zone)
    return Explanation(JobOutcome.NOT_DUE, facts.at, code, reason, before=before, after=after)


def _of_tick(facts: Facts) -> Explanation | None:
    """Its tick is there and made no interaction for the session."""
    tick = facts.tick
    if tick is None:
        return None
    if tick.reason_code is not None:
        return _skipped(facts, tick.reason_code)
    if _goes_on(facts):
        return _waiting(facts, WaitCode.FAN_OUT, "its tick has not come to the session yet")
    return _made_later(facts)


def _of_gap(facts: Facts) -> Explanation | None:
    """It was left out on purpose."""
    gap, memory = facts.gap, facts.memory
    if facts.tick is not None:
        return None
    if gap is not None:
        folded = gap.following if gap.reason_code == Reason.FOLDED else None
        return _skipped(facts, gap.reason_code, f", that of {folded.isoformat()}" if folded else "")
    undecided = memory is not None and memory.decided_until < facts.at <= facts.clock.now
    if undecided and memory is not None and memory.paused_at is not None:
        return _skipped(facts, Reason.PAUSED)
    return None


def _of_job(facts: Facts) -> Explanation | None:
    """No beat has decided on that time: it lies before the job, in the future, or just now."""
    memory, now = facts.memory, facts.clock.now
    if facts.tick is not None:
        return None
    if (gone := _gone_at(facts)) is not None and facts.at > gone:
        return _not_due(facts, NotDueCode.CODE, "the job is not in the code any more")
    if facts.question.job is None:
        return None
    if facts.at > now:
        paused = memory is not None and memory.paused_at is not None
        but = "; the job is paused, and must be resumed before" if paused else ""
        return _waiting(facts, WaitCode.FUTURE, f"it is due in the future{but}")
    if memory is None:
        return _waiting(facts, WaitCode.BEAT, f"no beat has seen the job yet{_beats(facts)}")
    if facts.at < memory.first_seen_at:
        seen = memory.first_seen_at.isoformat()
        return _not_due(facts, NotDueCode.BEFORE_JOB, f"it is older than the job, which a beat first saw at {seen}")
    if facts.at > memory.decided_until:
        error = f": {memory.error}" if memory.error else ""
        return _waiting(facts, WaitCode.BEAT, f"no beat has come to it yet{_beats(facts)}{error}")
    return None


def _left_out(facts: Facts) -> Explanation | None:
    """The fan-out has passed the session, and made no run for it."""
    job = facts.question.job
    if facts.tick is None and (job is None or not job.by_creation):
        return None
    if facts.session is not None and facts.session.quiet:
        return _skipped(facts, Reason.QUIET)
    if job is not None and job.condition is not None and _is_kept(facts):
        return _skipped(facts, Reason.CONDITION)
    return None


_RULES: tuple[Callable[[Facts], Explanation | None], ...] = (
    _of_session,
    _of_schedule,
    _of_tick,
    _of_gap,
    _of_job,
    _left_out,
)


def _goes_on(facts: Facts) -> bool:
    """Whether its tick may still come to the session."""
    tick, job = facts.tick, facts.question.job
    if tick is None or tick.inserted_at is not None or tick.done_at is not None:
        return False
    in_order = job is not None and not job.is_local and not facts.question.is_static
    return not (in_order and tick.cursor >= facts.question.session_id)


def _is_kept(facts: Facts) -> bool:
    """Whether a run for that time, had there been one, would still be there."""
    tick = facts.tick
    over = facts.at if tick is None else tick.done_at
    return over is None or over > facts.clock.now - timedelta(seconds=facts.question.retention)


def _gone_at(facts: Facts) -> datetime | None:
    """When the job was last in the code, if it is not there now."""
    memory = facts.memory
    if memory is not None and (memory.removed_at is not None or facts.question.job is None):
        return memory.removed_at or memory.seen_at
    return None


def _made_later(facts: Facts) -> Explanation | None:
    """The session was not there at that time."""
    session = facts.session
    if session is None or session.created_at <= facts.at or facts.question.is_static:
        return None
    return _not_due(facts, NotDueCode.MADE_LATER, f"the session was made later, at {session.created_at.isoformat()}")


def _beats(facts: Facts) -> str:
    return "" if facts.clock.beats else ": no beat is alive"


def _not_due(facts: Facts, code: NotDueCode, reason: str) -> Explanation:
    return Explanation(JobOutcome.NOT_DUE, facts.at, code, reason)


def _waiting(facts: Facts, code: WaitCode, reason: str) -> Explanation:
    return Explanation(JobOutcome.WAITING, facts.at, code, reason)


def _skipped(facts: Facts, code: str, more: str = "") -> Explanation:
    return Explanation(JobOutcome.SKIPPED, facts.at, code, reason_words(code) + more)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
