"""Settings: typed, validated once, frozen. The only place that reads the environment."""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Annotated, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pumice.errors import SettingsError

QUEUES = ("chat", "hooks", "jobs")
"""The Celery queues that wakes travel on."""
OUTGOING = "outgoing"
"""The queue of outgoing events. It is in Postgres: no message travels on it."""
RELEASE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
PATCHED = ("celery", "flask", "gunicorn", "kombu")
"""Libraries of which Pumice replaces something inside, for speed."""
CENTURY = 36_525 * 86_400
"""The longest time, in seconds, that a setting may name: what dates are reckoned with must stay a date."""
SHORTEST_KEY = 32
HIDDEN = "***"
"""What is shown of a secret."""
LIKENESS = 0.88
"""How alike, from 0 to 1, a variable's name and a setting's must be for it to count as misspelled."""
LONGEST_SHORT_NAME = 4
"""Names up to this length, such as HOST, are too like other programs' variables to be compared."""

Mistake = tuple[str, str]
"""A variable, and what is wrong with it."""


def _postgres_url(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
        message = "must look like postgresql://user:password@host:5432/database"
        raise ValueError(message)
    return f"postgresql://{rest}"


def _redis_url(url: str) -> str:
    if urlsplit(url).scheme not in {"redis", "rediss", "unix"}:
        message = "must look like redis://host:6379/0 or rediss://…"
        raise ValueError(message)
    if url.startswith("rediss://") and "ssl_cert_reqs" not in parse_qs(urlsplit(url).query):
        return url + ("&" if "?" in url else "?") + "ssl_cert_reqs=none"
    return url


def _queue_list(names: str) -> str:
    unknown = [name for name in names.split(",") if name not in {*QUEUES, OUTGOING}]
    if unknown:
        message = f"{unknown[0]!r} is not one of {', '.join((*QUEUES, OUTGOING))}"
        raise ValueError(message)
    return names


def _network_list(value: str) -> str:
    for one in value.split(","):
        if one.strip():
            ip_network(one.strip(), strict=False)
    return value


def _release_name(name: str) -> str:
    if name and not RELEASE_NAME.fullmatch(name):
        message = "must be up to 64 letters, digits, dots, dashes or underscores"
        raise ValueError(message)
    return name


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _library_list(value: str) -> str:
    names = [name.strip() for name in value.split(",") if name.strip()]
    if unknown := set(names) - set(PATCHED):
        raise ValueError(f"knows no {', '.join(sorted(unknown))}; they are {', '.join(PATCHED)}")
    return ",".join(names)


def _address(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value):
        message = "must look like https://agents.example.com"
        raise ValueError(message)
    return value.rstrip("/")


def _signing_key(key: str) -> str:
    if key and len(key) < SHORTEST_KEY:
        message = f"must have {SHORTEST_KEY} characters or more (RFC 7518, 3.2)"
        raise ValueError(message)
    return key


class Settings(BaseModel):
    """Every setting, named as its environment variable in lower case. Times are in seconds, sizes in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    database_url: Annotated[str, AfterValidator(_postgres_url)] = Field(description="Postgres; postgres:// is accepted")
    database_pooled: bool = Field(False, description="true behind PgBouncer in transaction mode")
    redis_url: Annotated[str, AfterValidator(_redis_url)] = Field(
        "redis://127.0.0.1:6379/0",
        description="Redis 6+ or Valkey, for events; rediss:// is verified only if its ssl_cert_reqs says so",
    )
    broker_url: str = Field("", description="Celery's broker; REDIS_URL when empty")
    agents: str = Field("", description="what is served: id=module:Class,…")
    middleware: str = Field("", description="what stands around each turn: module:callable,…")

    host: str = Field("0.0.0.0", description="address the front listens on")  # noqa: S104 (a server in a container)
    port: int = Field(8000, ge=1, le=65535, description="port the front listens on")
    public_url: Annotated[str, AfterValidator(_address)] = Field(
        "",
        description="where senders reach the front, as https://agents.example.com; for signatures over the address",
    )
    web_concurrency: int = Field(1, ge=1, le=64, description="front processes")
    web_connections: int = Field(10_000, ge=1, description="connections of one front process")
    reply_timeout: float = Field(25, gt=0, le=600, description="how long a request waits for its reply before a 202")
    body_limit: int = Field(10_000_000, ge=1_000, description="largest request body")
    import_limit: int = Field(
        100_000_000, ge=1_000, description="largest file of a session to import; it is kept on disk while it is read"
    )
    body_timeout: float = Field(25, gt=0, le=3600, description="how long a request body may take to arrive")
    body_budget: int = Field(
        128_000_000, ge=1_000_000, description="bytes of request bodies a front holds at once; an address gets half"
    )
    frame_limit: int = Field(1_000_000, ge=1_000, description="largest WebSocket message")
    client_backlog: int = Field(
        4_000_000, ge=1_000, description="bytes that may wait for one stream's or socket's client"
    )
    front_backlog: int = Field(
        64_000_000, ge=10_000, description="bytes that may wait for all clients of one front process"
    )
    write_timeout: float = Field(
        20, gt=0, le=600, description="how long a client may take nothing of what is sent to it"
    )
    socket_queue_limit: int = Field(100, ge=1, description="interactions of one socket that may be unanswered")
    ping_interval: float = Field(20, gt=0, le=55, description="between WebSocket pings and SSE comments")
    allowed_origins: str = Field(
        "*", description="origins of pages that may call (CORS, WebSockets), separated by commas; * allows all"
    )
    session_token_secret: Annotated[str, AfterValidator(_signing_key)] = Field(
        "",
        description="key that signs session tokens (HS256); 32 characters or more",
        json_schema_extra={"secret": True},
    )
    auth_failures_per_minute: int = Field(60, ge=1, description="wrong keys from one address before a 429")

    new_sessions_per_minute: int = Field(
        0, ge=0, description="new sessions of one agent from one address before a 429; 0 sets no limit"
    )
    trusted_proxies: int = Field(
        0, ge=0, le=10, description="proxies in front whose X-Forwarded-For is believed; 0 believes none"
    )

    worker_pool: Literal["threads", "prefork", "solo"] = Field("threads", description="Celery's pool")
    worker_concurrency: int = Field(16, ge=1, le=1000, description="threads, or processes, of one worker")
    worker_queues: Annotated[str, AfterValidator(_queue_list)] = Field(
        "chat,hooks,jobs,outgoing", description="queues it takes"
    )
    worker_async_limit: int = Field(1000, ge=1, description="async turns that one worker process runs at once")
    wake_size: int = Field(100, ge=1, le=1000, description="most sessions that one hook or job wake names")
    lease_seconds: float = Field(10, ge=1, le=600, description="how long a lease lasts without a heartbeat")
    crash_limit: int = Field(
        3, ge=1, le=100, description="crashes, each while it ran alone, after which an interaction is dead"
    )
    shutdown_timeout: float = Field(20, ge=0, le=600, description="how long a stopping worker waits for its turns")

    temporary_ttl: float = Field(3600, gt=0, le=CENTURY, description="life of a temporary session after its last use")
    empty_session_ttl: float = Field(
        7 * 86_400, ge=0, le=CENTURY, description="life of a session to which nothing but jobs happened; 0 keeps it"
    )
    dedupe_window: float = Field(
        86_400, gt=0, le=CENTURY, description="how long a delivery id or Idempotency-Key is remembered"
    )
    queue_limit: int = Field(1_000, ge=1, description="interactions that may wait for one session")
    agent_queue_limit: int = Field(1_000_000, ge=1, description="interactions that may wait for one agent")
    retention_days: float = Field(30, gt=0, le=CENTURY / 86_400, description="days that finished interactions are kept")
    history_points: int = Field(
        1_000, ge=0, le=10_000_000, description="points of a session that are kept: how it stood after so many turns"
    )
    history_days: float = Field(30, gt=0, le=CENTURY / 86_400, description="days that points are kept")
    release: Annotated[str, AfterValidator(_release_name)] = Field(
        "", description="of a worker: the canary's release that it is of; empty for the stable ones"
    )
    code_version: str = Field("", description="what points are marked with: a release or commit; else the agent's code")
    job_catch_up: float = Field(
        3600, ge=0, le=CENTURY, description="how late the latest missed run of a job is made up for"
    )
    outgoing_private: Annotated[str, AfterValidator(_network_list)] = Field(
        "",
        description="networks that outgoing events may go to although they are not public, as 10.0.0.0/8,127.0.0.1/32",
    )
    event_ttl: float = Field(3600, gt=0, le=CENTURY, description="how long a session's events can be replayed")
    event_limit: int = Field(1_000, ge=10, description="how many of a session's events can be replayed")
    stock: Annotated[str, AfterValidator(_library_list)] = Field(
        "",
        description=f"libraries that run unpatched ({', '.join(PATCHED)}), to find out whether a patch is to blame",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = Field(
        "info", description="least severity that is logged"
    )
    log_format: Literal["text", "json"] = Field("text", description="form of a log line")
    pumice_dev: str = Field("", description="data directory of `pumice dev`, which sets this")

    def runs_stock(self, library: str) -> bool:
        """Whether a library of `PATCHED` runs as it is, without what Pumice replaces in it."""
        return library in self.stock.split(",")

    @property
    def broker(self) -> str:
        """Where Celery's messages go."""
        url = self.broker_url or self.redis_url
        return _redis_url(url) if url.startswith("rediss://") else url

    def shown(self, name: str) -> str:
        """A setting's value as it may be printed: passwords and keys are hidden."""
        value = getattr(self, name)
        extra = type(self).model_fields[name].json_schema_extra
        if isinstance(extra, dict) and extra.get("secret"):
            return HIDDEN if value else ""
        if isinstance(value, bool):
            return str(value).lower()
        return without_password(str(value))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings from `environ` (the process's own by default).

        Raises `SettingsError`, which names every variable that is wrong.
        """
        given = cls._given(environ)
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError(_problems(error)) from None

    @classmethod
    def with_values(cls, values: Mapping[str, str]) -> Self:
        """Read the settings from the process's environment with these variables instead of its own.

        Raises `SettingsError`.
        """
        return cls.from_env({**os.environ, **values})

    @classmethod
    def as_far_as_valid(cls, environ: Mapping[str, str] | None = None) -> tuple[Self, list[Mistake]]:
        """The settings with every wrong one at its default, and what is wrong.

        A DATABASE_URL that is wrong or missing has no default: the address then names no server.
        """
        given = cls._given(environ)
        try:
            return cls.model_validate(given), []
        except ValidationError as error:
            problems = _problems(error)
        wrong = {name.lower() for name, _ in problems}
        valid = {name: value for name, value in given.items() if name not in wrong}
        return cls.model_validate({"database_url": "postgresql://", **valid}), problems

    @classmethod
    def is_given(cls, name: str, environ: Mapping[str, str] | None = None) -> bool:
        """Whether `environ` (the process's own by default) sets this setting; an empty variable does not."""
        return name in cls._given(environ)

    @classmethod
    def _given(cls, environ: Mapping[str, str] | None) -> dict[str, str]:
        source = os.environ if environ is None else environ
        return {name: source[name.upper()] for name in cls.model_fields if source.get(name.upper(), "") != ""}


def environ_over(values: Mapping[str, str]) -> dict[str, str]:
    """The process's environment, with these variables where it has none of their names."""
    return {**values, **{name: value for name, value in os.environ.items() if value or name not in values}}


def secrets_of(variable: str, environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The secrets that a variable of `environ` (the process's own by default) holds, separated by commas.

    Several count at once, for the time of a rotation. None where it is missing or empty. Supabase's, which hold a comma
    of their own (`v1,whsec_…`), count without what stands before it.
    """
    source = os.environ if environ is None else environ
    text = source.get(variable, "").replace("|v1,whsec_", ",whsec_").replace("v1,whsec_", "whsec_")
    return tuple(secret for one in text.split(",") if (secret := one.strip()))


def misspelled(environ: Mapping[str, str] | None = None) -> list[Mistake]:
    """Variables whose names are nearly a setting's that is not set, each with what it should probably be.

    Kubernetes sets `PUMICE_PORT=tcp://…` for a service called pumice; values like that are another's.
    """
    source = os.environ if environ is None else environ
    names = [name.upper() for name in Settings.model_fields]
    found: list[Mistake] = []
    for name, value in sorted(source.items()):
        meant = None if name in names or value.startswith("tcp://") else _meant(name, names)
        if meant is not None and not source.get(meant):
            found.append((name, f"is no setting: did you mean {meant}?"))
    return found


def without_password(url: str) -> str:
    """The address as it may be printed."""
    hidden = re.sub(r"(://[^:/@]*:).*@", rf"\1{HIDDEN}@", url)
    return re.sub(r"([?&]\w*password=)[^&]*", rf"\1{HIDDEN}", hidden)


def _meant(name: str, names: list[str]) -> str | None:
    bare = name.upper().removeprefix("PUMICE_")
    if bare != name.upper() and bare in names:
        return bare
    long_names = [one for one in names if len(one) > LONGEST_SHORT_NAME]
    return next(iter(get_close_matches(bare, long_names, 1, LIKENESS)), None)


def _problems(error: ValidationError) -> list[Mistake]:
    return [(str(one["loc"][0]).upper(), _explain(one["type"], one["msg"])) for one in error.errors()]


def _explain(kind: str, message: str) -> str:
    return "is not set" if kind == "missing" else message.removeprefix("Value error, ")
