"""What an interaction can be, and what can become of it. The values stand in Postgres and in what clients see."""

from enum import StrEnum


class Kind(StrEnum):
    """What an interaction asks for."""

    CHAT = "chat"
    SOCKET = "socket"
    HOOK = "hook"
    JOB = "job"
    CALL = "call"
    RESTORE = "restore"


class Status(StrEnum):
    """Where an interaction stands. Every status but `queued` is final."""

    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"
    DEAD = "dead"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


RETRY = "retry"
"""The outcome of a turn whose interaction is queued again."""


class Reason(StrEnum):
    """Why an interaction did not run to its end; `reason` says the same in words."""

    MERGED = "merged"
    """A newer chat took its messages over: whoever waits for it gets the newer one's reply."""
    SUPERSEDED = "superseded"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    OVERLAP = "overlap"
    OVERLAP_CANCELLED = "overlap-cancelled"
    DISCARDED = "discarded"
    DELETED = "deleted"
    RESTORED = "restored"
    QUIET = "quiet"
    EXPORTED = "exported"
    PAUSED = "paused"
    CATCH_UP = "catch-up"
    FOLDED = "folded"
    REMOVED = "removed"
    CONDITION = "condition"
    UNSCHEDULED = "unscheduled"


REASONS = {
    Reason.MERGED: "merged into a newer message",
    Reason.SUPERSEDED: "dropped for a newer message",
    Reason.INTERRUPTED: "interrupted by a newer message",
    Reason.CANCELLED: "cancelled through the API",
    Reason.OVERLAP: "overlap: the previous run was not finished",
    Reason.OVERLAP_CANCELLED: "overlap: the next run of its job was due",
    Reason.DISCARDED: "discarded by an operator",
    Reason.DELETED: "its session was deleted",
    Reason.RESTORED: "its session was restored to an earlier point",
    Reason.QUIET: "its session is quiet: jobs are recorded, not run",
    Reason.PAUSED: "its job was paused",
    Reason.CATCH_UP: "it was missed for longer than the job catches up",
    Reason.FOLDED: "it was missed, and folded into a later run",
    Reason.REMOVED: "its job is not in the code any more",
    Reason.CONDITION: "the job's `where` did not hold for the session then",
    Reason.UNSCHEDULED: "its schedule was cancelled",
    Reason.EXPORTED: "it was queued when its session was exported; an import runs nothing",
}
"""The reasons in words."""


def reason_words(code: str) -> str:
    """A stored reason in words; one of other code is told as it is stored."""
    return REASONS[Reason(code)] if code in set(Reason) else code


class TickKind(StrEnum):
    """What made a tick."""

    DUE = "due"
    CAUGHT_UP = "caught-up"
    """It was due while no beat was there."""
    MANUAL = "manual"
    BACKFILL = "backfill"


class JobOutcome(StrEnum):
    """What happened in a session at a time at which a job may have been due."""

    RAN = "ran"
    FAILED = "failed"
    SKIPPED = "skipped"
    WAITING = "waiting"
    NOT_DUE = "not-due"


class WaitCode(StrEnum):
    """What a run of a job waits for."""

    RUNNING = "running"
    RETRY = "retry"
    JITTER = "jitter"
    BEHIND = "behind"
    BLOCKED = "blocked"
    QUARANTINE = "quarantine"
    SESSION = "session"
    CODE = "code-missing"
    UNSERVED = "unserved"
    IN_LINE = "in-line"
    WORKER = "worker"
    FAN_OUT = "fan-out"
    BEAT = "beat"
    FUTURE = "future"


class NotDueCode(StrEnum):
    """Why a job has no run in a session for a time."""

    NO_SESSION = "no-session"
    TEMPORARY = "temporary"
    MADE_LATER = "made-later"
    TIMEZONE = "timezone"
    NO_DUE_TIME = "no-due-time"
    BEFORE_JOB = "before-job"
    CODE = "code-missing"
    UNRECORDED = "unrecorded"


class FailureCode(StrEnum):
    """In which way an attempt failed."""

    HANDLER = "handler-failed"
    TIMEOUT = "timeout"
    SERIALIZATION = "unserialisable"
    WORKER_LOST = "worker-lost"
    STATE = "state-invalid"
    """The stored state could not be loaded: no attempt was made, and the work waits for other code or another state."""
