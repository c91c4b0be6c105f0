"""One tree of errors. A subclass's docstring is its default message.

`Problem` and its subclasses are what a client sees, as `application/problem+json` (RFC 9457).
"""

from typing import Any

OTHER_BODY = "came with another body before; send a new key with a new body"
"""What is wrong with an Idempotency-Key that names another request."""


class PumiceError(Exception):
    """Something went wrong in Pumice."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__ or type(self).__name__)


class SettingsError(PumiceError):
    """The environment's settings are wrong."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{variable}: {what}" for variable, what in problems))


class DeclarationError(PumiceError):
    """An agent class is declared wrongly."""

    def __init__(self, where: str, what: str) -> None:
        self.where = where
        self.what = what
        super().__init__(f"{where}: {what}")


class ScheduleError(PumiceError, ValueError):
    """A cron expression or an interval can't be read."""


class StoreAwayError(PumiceError):
    """Postgres can't be reached."""


class StoreBusyError(StoreAwayError):
    """Postgres is there, and others hold what was needed for too long."""


class MissingExtraError(PumiceError):
    """A language model needs an extra that is not installed."""


class TurnOverError(PumiceError, RuntimeError):
    """The turn has ended: what a task or thread that it left behind sends, calls or schedules is refused."""


class SerializationError(PumiceError):
    """A value can't be stored as JSON."""

    def __init__(self, field: str, why: str) -> None:
        self.field = field
        self.why = why
        super().__init__(f"{field} can't be stored as JSON: {why}")


class RecordingError(PumiceError):
    """A replayed turn asks for what its recording does not hold."""


class StoredStateError(PumiceError):
    """A session's stored state can't be loaded. Its row is left as it is, and its work waits.

    pause: seconds after which it is tried again.
    """

    def __init__(self, field: str, why: str, pause: float = 30.0) -> None:
        self.field = field
        self.why = why
        self.pause = pause
        super().__init__(f"the stored state can't be loaded: {field}: {why}")


class SnapshotExistsError(PumiceError):
    """The session has a snapshot of that name already: nothing of the turn was saved."""


class Problem(PumiceError):  # noqa: N818 (the RFC's word)
    """The request can't be answered."""

    status = 500
    slug = "internal"

    def __init__(self, detail: str | None = None, *, retry_after: float | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.detail = str(self)
        self.retry_after = retry_after
        self.members = members

    @property
    def title(self) -> str:
        """The same for every problem of this type."""
        return (type(self).__doc__ or "").splitlines()[0].rstrip(".")

    def document(self) -> dict[str, Any]:
        """The RFC 9457 document, ready for JSON."""
        members = {key: value for key, value in self.members.items() if value is not None}
        return {
            "type": f"urn:pumice:problem:{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **members,
        }


class Malformed(Problem):
    """The request can't be parsed."""

    status, slug = 400, "malformed"


class SelectorFailed(Problem):
    """The hook's session selector failed on this request."""

    status, slug = 400, "selector-failed"


class Unauthorized(Problem):
    """The API key is missing, wrong or revoked."""

    status, slug = 401, "unauthorized"


class SecretMissing(Problem):
    """The hook can't verify anything: the secret that its sender shares is missing or wrong."""

    status, slug = 503, "secret-missing"


class Forbidden(Problem):
    """The credentials do not allow this."""

    status, slug = 403, "forbidden"


class UnknownAgent(Problem):
    """There is no such agent."""

    status, slug = 404, "unknown-agent"


class UnknownHook(Problem, LookupError):  # noqa: N818 (a problem, as the others)
    """The agent has no such hook."""

    status, slug = 404, "unknown-hook"


class UnknownSession(Problem):
    """There is no such session."""

    status, slug = 404, "unknown-session"


class UnknownSchedule(Problem):
    """The session has no such schedule."""

    status, slug = 404, "unknown-schedule"


class UnknownInteraction(Problem):
    """There is no such interaction."""

    status, slug = 404, "unknown-interaction"


class UnknownReplay(Problem):
    """There is no such replay."""

    status, slug = 404, "unknown-replay"


class UnknownCanary(Problem):
    """The agent has no canary."""

    status, slug = 404, "unknown-canary"


class UnknownDelivery(Problem):
    """There is no such delivery."""

    status, slug = 404, "unknown-delivery"


class UnknownOperation(Problem):
    """There is no such operation."""

    status, slug = 404, "unknown-operation"


class UnknownEndpoint(Problem):
    """The agent has no such endpoint."""

    status, slug = 404, "unknown-endpoint"


class UnknownEvent(Problem):
    """The agent has no such outgoing event."""

    status, slug = 404, "unknown-event"


class UnknownPoint(Problem):
    """There is no such point in the session's life."""

    status, slug = 404, "unknown-point"


class PrunedPoint(Problem):
    """That point is no longer kept."""

    status, slug = 410, "pruned-point"


class UnknownJob(Problem):
    """The agent has no such job."""

    status, slug = 404, "unknown-job"


class ForgottenRun(Problem):
    """What became of that run is no longer kept."""

    status, slug = 410, "forgotten-run"


class UnknownRoute(Problem):
    """There is nothing at this address."""

    status, slug = 404, "not-found"


class MethodNotAllowed(Problem):
    """This address does not take that method."""

    status, slug = 405, "method-not-allowed"


class Busy(Problem):
    """The session is busy and its agent rejects what comes meanwhile."""

    status, slug = 409, "busy"


class Conflict(Problem):
    """That can't be done in the state it is in."""

    status, slug = 409, "conflict"


class RequestTimeout(Problem):
    """The request came too slowly."""

    status, slug = 408, "request-timeout"


class TooLarge(Problem):
    """The body is too large."""

    status, slug = 413, "too-large"


class AddressTooLong(Problem):
    """The address is too long."""

    status, slug = 414, "address-too-long"


class UnsupportedMedia(Problem):
    """The body's media type is not supported here."""

    status, slug = 415, "unsupported-media-type"


class InvalidField(Problem):
    """A field of the request is invalid."""

    status, slug = 422, "invalid-field"

    def __init__(self, field: str, what: str) -> None:
        super().__init__(f"{field}: {what}", errors=[{"field": field, "detail": what}])


class BadSessionFile(Problem):
    """The file is not a session's export, or it is broken."""

    status, slug = 422, "bad-session-file"

    def __init__(self, line: int = 1, what: str = "is not one of an exported session") -> None:
        super().__init__(f"line {line}: {what}", line=line)


class UpgradeRequired(Problem):
    """Only version 13 of the WebSocket protocol is spoken here."""

    status, slug = 426, "upgrade-required"


class TooMany(Problem):
    """There are too many requests."""

    status, slug = 429, "too-many-requests"


class HeadersTooLarge(Problem):
    """The headers are too large, or too many."""

    status, slug = 431, "headers-too-large"


class SlowReader(Problem):
    """The client reads its events more slowly than they come; it can resume from the last one that it got."""

    status, slug = 429, "slow-reader"


class HandlerFailed(Problem):
    """The agent's handler failed."""

    status, slug = 500, "handler-failed"


class Internal(Problem):
    """The server failed."""

    status, slug = 500, "internal"


class StoreAway(Problem):
    """The store can't be reached; nothing was accepted."""

    status, slug = 503, "store-away"


class Overloaded(Problem):
    """The front has too much to do at the moment; nothing was accepted."""

    status, slug = 503, "overloaded"


class StoreBusy(Problem):
    """The store is busy; nothing was changed."""

    status, slug = 503, "store-busy"


class CannotDeliver(Problem):
    """This front can't hand on events and replies."""

    status, slug = 503, "cannot-deliver"
