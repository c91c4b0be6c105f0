"""The tables, typed. Postgres is the truth; migrations/ makes these and tests compare the two."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from pumice.sessions.model_base import NOW, Base, Key, Time


class AgentRow(Base):
    """An agent id that keys belong to."""

    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)


class ApiKey(Base):
    """An API key. Only its SHA-256 is kept; `prefix` is shown to tell keys apart."""

    __tablename__ = "api_keys"

    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    prefix: Mapped[str] = mapped_column(Key, unique=True)
    kind: Mapped[str] = mapped_column(Text)
    agent_id: Mapped[str] = mapped_column(Key, ForeignKey("agents.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    revoked_at: Mapped[datetime | None] = mapped_column(Time)


class SessionRow(Base):
    """One session: its state and its lease. `state` is null until `setup` has run.

    A lease is `lease_token` (the fencing token) until `lease_until`; what runs under it was due at `leased_at`.
    `probation` means that a worker crashed while it held the session: its next interactions run in quarantine, with
    those of `suspect_group`, each announced before it starts, to find the culprit (see `suspects`).
    `used` means that something other than a job happened here whose interaction is deleted by now.
    Until `blocked_until` the session waits for the retry of a blocking interaction.
    Where the state is `stale`, it is `base` (compressed) with `state_delta`, and `state` is what `base` is: large
    states are not written anew with each turn. `keyframe` is the id under which `base` stands in keyframes.
    `transcript` has the parts of other conversations that come before this session's own messages, as
    `[line, from, to]`; line 0 is this session itself, any other is the `line` of an ancestor. A session that forks
    started from and that was deleted stays, under a name of Pumice's own, until they are gone (`deleted_at`); it was
    called `former_id`.
    `timezone` is where its local jobs run; null is UTC.
    `hook_times` has the time of the newest event of each hook that orders by that.
    Nothing here that changes with a turn is indexed (but for temporary sessions, and suspects), so that updates stay
    HOT.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        Index("sessions_expiring", "expires_at", postgresql_where=text("temporary")),
        Index("sessions_suspects", "suspect_group", postgresql_where=text("probation")),
        Index("sessions_line", "line", unique=True, postgresql_where=text("line is not null")),
        Index("sessions_parent", "parent_line", postgresql_where=text("parent_line is not null")),
        Index("sessions_stale", "agent_id", "id", postgresql_where=text("stale")),
        Index("sessions_deleted", "deleted_at", postgresql_where=text("deleted_at is not null")),
        Index("sessions_former", "agent_id", "former_id", postgresql_where=text("former_id is not null")),
        Index("sessions_timezone", "agent_id", "timezone", "id", postgresql_where=text("timezone is not null")),
        {"postgresql_with": {"fillfactor": "70"}},
    )

    agent_id: Mapped[str] = mapped_column(Key, primary_key=True)
    id: Mapped[str] = mapped_column(Key, primary_key=True)
    state: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    state_delta: Mapped[bytes | None] = mapped_column(LargeBinary)
    stale: Mapped[bool] = mapped_column(Boolean, server_default="false")
    base: Mapped[bytes | None] = mapped_column(LargeBinary)
    keyframe: Mapped[int | None] = mapped_column(BigInteger)
    state_version: Mapped[int] = mapped_column(Integer, server_default="1")
    code_version: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column(BigInteger, server_default="0")
    message_count: Mapped[int] = mapped_column(Integer, server_default="0")
    history_start: Mapped[int] = mapped_column(Integer, server_default="0")
    temporary: Mapped[bool] = mapped_column(Boolean, server_default="false")
    expires_at: Mapped[datetime | None] = mapped_column(Time)
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB, server_default="{}")
    lease_token: Mapped[int | None] = mapped_column(BigInteger)
    lease_worker: Mapped[int | None] = mapped_column(BigInteger)
    lease_until: Mapped[datetime | None] = mapped_column(Time)
    leased_at: Mapped[datetime | None] = mapped_column(Time)
    probation: Mapped[bool] = mapped_column(Boolean, server_default="false")
    suspect_group: Mapped[int | None] = mapped_column(BigInteger)
    blocked_until: Mapped[datetime | None] = mapped_column(Time)
    used: Mapped[bool] = mapped_column(Boolean, server_default="false")
    line: Mapped[int | None] = mapped_column(BigInteger)
    transcript: Mapped[list[list[int]] | None] = mapped_column(JSON(none_as_null=True))
    parent_line: Mapped[int | None] = mapped_column(BigInteger)
    parent_point: Mapped[int | None] = mapped_column(BigInteger)
    parent_session: Mapped[str | None] = mapped_column(Key)
    parent_interaction: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    quiet: Mapped[bool] = mapped_column(Boolean, server_default="false")
    deleted_at: Mapped[datetime | None] = mapped_column(Time)
    hook_times: Mapped[dict[str, float] | None] = mapped_column(JSONB(none_as_null=True))
    timezone: Mapped[str | None] = mapped_column(Key)
    former_id: Mapped[str | None] = mapped_column(Key)
    created_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)


class InteractionRow(Base):
    """One unit of work. `seq` is the order of acceptance; `errors` has an entry for each failed attempt.

    A dedupe key is unique in its session; where no session was named (`dedupe_unnamed`), among those without one.
    `fingerprint` is of the body that came with an Idempotency-Key.
    What a turn left is a point: `point` is the session's version after it, `delta` the state as a difference from the
    keyframe (see `deltas`), and the conversation is `transcript` and then its own messages from `history_start` up to
    `message_count`. A keyframe of 0 means that there was no state yet; none, that the point was pruned.
    `effects` are what a turn in a quiet session would have done.
    A run of a job is unique by its job, its due time and its session. `schedule_key` names the schedule that made it.
    The condition on `wake_at` in its index holds always. It is there so that only rescue, which repeats it, can use
    that index: a claim planned while the queue was short would scan all of it when it is long.
    """

    __tablename__ = "interactions"
    __table_args__ = (
        Index("interactions_queued", "agent_id", "session_id", "seq", postgresql_where=text("status = 'queued'")),
        Index("interactions_wake", "wake_at", postgresql_where=text("status = 'queued' and wake_at > '-infinity'")),
        Index(
            "interactions_dedupe",
            "agent_id",
            "dedupe_source",
            "session_id",
            "dedupe_key",
            unique=True,
            postgresql_where=text("dedupe_key is not null"),
        ),
        Index(
            "interactions_dedupe_unnamed",
            "agent_id",
            "dedupe_source",
            "dedupe_key",
            unique=True,
            postgresql_where=text("dedupe_unnamed"),
        ),
        Index("interactions_history", "agent_id", "session_id", "seq"),
        Index("interactions_finished", "finished_at", postgresql_where=text("finished_at is not null")),
        Index("interactions_points", "agent_id", "session_id", "point", postgresql_where=text("point is not null")),
        Index("interactions_dead", "agent_id", "seq", postgresql_where=text("status in ('dead', 'failed')")),
        Index("interactions_deliveries", "agent_id", "name", "id", postgresql_where=text("kind = 'hook'")),
        Index(
            "interactions_runs",
            "agent_id",
            "name",
            "scheduled_for",
            "session_id",
            unique=True,
            postgresql_where=text("kind = 'job' and scheduled_for is not null"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    agent_id: Mapped[str] = mapped_column(Key)
    session_id: Mapped[str] = mapped_column(Key)
    kind: Mapped[str] = mapped_column(Text)
    name: Mapped[str | None] = mapped_column(Text)
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    dedupe_source: Mapped[str | None] = mapped_column(Key)
    dedupe_key: Mapped[str | None] = mapped_column(Key)
    dedupe_unnamed: Mapped[bool | None] = mapped_column(Boolean)
    fingerprint: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text, server_default="queued")
    reason: Mapped[str | None] = mapped_column(Text)
    reason_code: Mapped[str | None] = mapped_column(Text)
    superseded_by: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    crashes: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    scheduled_for: Mapped[datetime | None] = mapped_column(Time)
    available_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    wake_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    accepted_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    woken_at: Mapped[datetime | None] = mapped_column(Time)
    started_at: Mapped[datetime | None] = mapped_column(Time)
    finished_at: Mapped[datetime | None] = mapped_column(Time)
    result: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    errors: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    usage: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    reply_to: Mapped[str | None] = mapped_column(Text)
    lease_token: Mapped[int | None] = mapped_column(BigInteger)
    point: Mapped[int | None] = mapped_column(BigInteger)
    keyframe: Mapped[int | None] = mapped_column(BigInteger)
    delta: Mapped[bytes | None] = mapped_column(LargeBinary)
    state_version: Mapped[int | None] = mapped_column(Integer)
    code_version: Mapped[str | None] = mapped_column(Text)
    history_start: Mapped[int | None] = mapped_column(Integer)
    message_count: Mapped[int | None] = mapped_column(Integer)
    transcript: Mapped[list[list[int]] | None] = mapped_column(JSON(none_as_null=True))
    recording: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    effects: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    schedule_key: Mapped[str | None] = mapped_column(Text)


class KeyframeRow(Base):
    """A state in full, compressed; the points from `point` on are told as differences from it."""

    __tablename__ = "keyframes"

    agent_id: Mapped[str] = mapped_column(Key, primary_key=True)
    session_id: Mapped[str] = mapped_column(Key, primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    point: Mapped[int] = mapped_column(BigInteger)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)


class SnapshotRow(Base):
    """A point that has a name and outlives pruning. Names that begin with `$` are where forks started."""

    __tablename__ = "snapshots"

    agent_id: Mapped[str] = mapped_column(Key, primary_key=True)
    session_id: Mapped[str] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(Key, primary_key=True)
    note: Mapped[str | None] = mapped_column(Text)
    interaction_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    point: Mapped[int] = mapped_column(BigInteger)
    keyframe: Mapped[int | None] = mapped_column(BigInteger)
    delta: Mapped[bytes | None] = mapped_column(LargeBinary)
    state_version: Mapped[int] = mapped_column(Integer)
    code_version: Mapped[str | None] = mapped_column(Text)
    history_start: Mapped[int] = mapped_column(Integer)
    message_count: Mapped[int] = mapped_column(Integer)
    transcript: Mapped[list[list[int]] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)


class PrunableRow(Base):
    """A session that has more points than are kept; `keep` is how many."""

    __tablename__ = "prunable_sessions"

    agent_id: Mapped[str] = mapped_column(Key, primary_key=True)
    session_id: Mapped[str] = mapped_column(Key, primary_key=True)
    keep: Mapped[int] = mapped_column(BigInteger)


class MessageRow(Base):
    """One message of a session's conversation; append-only."""

    __tablename__ = "messages"

    agent_id: Mapped[str] = mapped_column(Key, primary_key=True)
    session_id: Mapped[str] = mapped_column(Key, primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    role: Mapped[str] = mapped_column(Text)
    content: Mapped[Any] = mapped_column(JSON)
    data: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    interaction_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    created_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)


class WorkerRow(Base):
    """A worker process. It holds the advisory lock of its id while it lives and its database connection does.

    `agents` are those that it serves; null, of a worker of an older release, means that nobody knows. `looked_at` is
    when it last looked at the canaries.
    """

    __tablename__ = "workers"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    holds_lock: Mapped[bool] = mapped_column(Boolean)
    started_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    seen_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    suspected_at: Mapped[datetime | None] = mapped_column(Time)
    agents: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    release: Mapped[str] = mapped_column(Text, server_default="")
    looked_at: Mapped[datetime | None] = mapped_column(Time)


class CanaryRow(Base):
    """A share, in parts of 10,000, of an agent's sessions that workers of another release run.

    `snapshot` names the points from before it began, and `most` is the largest share that it had. A share of 0 means
    that it was stopped, and that its sessions are to go back to those points.
    """

    __tablename__ = "canaries"

    agent_id: Mapped[str] = mapped_column(Key, primary_key=True)
    release: Mapped[str] = mapped_column(Text)
    share: Mapped[int] = mapped_column(Integer)
    snapshot: Mapped[str | None] = mapped_column(Text)
    most: Mapped[int] = mapped_column(Integer, server_default="0")
    created_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)


class BeatRow(Base):
    """A beat, called `host:pid`, and when it was last seen; it is seen every second while it lives."""

    __tablename__ = "beats"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    started_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    seen_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)


class CounterRow(Base):
    """A counter of what happened in any process, since the database was made."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger, server_default="0")


class ReplayRow(Base):
    """A replay: recorded interactions of some sessions that run again on today's code. `request` is what was asked."""

    __tablename__ = "replays"
    __table_args__ = (Index("replays_agent", "agent_id", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    agent_id: Mapped[str] = mapped_column(Key)
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)


class ReplaySessionRow(Base):
    """One session of a replay, whose points after `start`, up to `until`, run again; `position` is how far it came.

    It runs in one lane after the other: `baseline`, if there is one, whose turns are kept, then `candidate`.
    """

    __tablename__ = "replay_sessions"
    __table_args__ = (
        Index("replay_sessions_open", "checked_at", postgresql_where=text("status in ('queued', 'running')")),
    )

    replay_id: Mapped[uuid.UUID] = mapped_column(Uuid, ForeignKey("replays.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    agent_id: Mapped[str] = mapped_column(Key)
    session_id: Mapped[str] = mapped_column(Key)
    status: Mapped[str] = mapped_column(Text, server_default="queued")
    start: Mapped[int | None] = mapped_column(BigInteger)
    position: Mapped[int | None] = mapped_column(BigInteger)
    until: Mapped[int | None] = mapped_column(BigInteger)
    lane: Mapped[str] = mapped_column(Text, server_default="candidate")
    baseline: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    turns: Mapped[list[dict[str, Any]] | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[str | None] = mapped_column(Text)
    checked_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)


class OutgoingEndpointRow(Base):
    """Where an agent's outgoing events go. `events` are the types that it takes, in which `*` stands for anything.

    The previous secret signs too, until `previous_until`. failing_since: when the first delivery failed after which
    none went well. Nothing is sent before `not_before`, which the endpoint asked for. One that is deleted stays, with
    that status and without its secrets, until its deliveries are gone.
    """

    __tablename__ = "outgoing_endpoints"
    __table_args__ = (Index("outgoing_endpoints_agent", "agent_id", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    agent_id: Mapped[str] = mapped_column(Key)
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(Text)
    previous_secret: Mapped[str | None] = mapped_column(Text)
    previous_until: Mapped[datetime | None] = mapped_column(Time)
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    thin: Mapped[bool] = mapped_column(Boolean)
    status: Mapped[str] = mapped_column(Text, server_default="active")
    reason: Mapped[str | None] = mapped_column(Text)
    failing_since: Mapped[datetime | None] = mapped_column(Time)
    not_before: Mapped[datetime | None] = mapped_column(Time)
    created_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)


class OutgoingEventRow(Base):
    """An event that a turn emitted. `fanned`: whether it has its deliveries, one for each endpoint that takes it.

    Ids are ordered by time, so that the key finds old ones.
    """

    __tablename__ = "outgoing_events"
    __table_args__ = (
        Index("outgoing_events_agent", "agent_id", "id"),
        Index("outgoing_events_session", "agent_id", "session_id"),
        Index("outgoing_events_new", "id", postgresql_where=text("not fanned")),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    agent_id: Mapped[str] = mapped_column(Key)
    session_id: Mapped[str] = mapped_column(Key)
    interaction_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    type: Mapped[str] = mapped_column(Text)
    payload: Mapped[Any] = mapped_column(JSON)
    fanned: Mapped[bool] = mapped_column(Boolean, server_default="false")
    created_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)


class OutgoingDeliveryRow(Base):
    """An event on its way to an endpoint. `next_at` is when it is sent next.

    Who sends it holds it until `claimed_until`, and records what came of it only while `claims` is what it was then.
    `tries` has an entry for each of the last attempts.
    """

    __tablename__ = "outgoing_deliveries"
    __table_args__ = (
        Index("outgoing_deliveries_due", "endpoint_id", "next_at", postgresql_where=text("status = 'pending'")),
        Index("outgoing_deliveries_claimed", "endpoint_id", postgresql_where=text("claimed_until is not null")),
        Index("outgoing_deliveries_endpoint", "endpoint_id", "event_id"),
        Index("outgoing_deliveries_status", "agent_id", "status"),
    )

    event_id: Mapped[uuid.UUID] = mapped_column(
        Uuid, ForeignKey("outgoing_events.id", ondelete="CASCADE"), primary_key=True
    )
    endpoint_id: Mapped[uuid.UUID] = mapped_column(Uuid, ForeignKey("outgoing_endpoints.id"), primary_key=True)
    agent_id: Mapped[str] = mapped_column(Key)
    status: Mapped[str] = mapped_column(Text, server_default="pending")
    attempts: Mapped[int] = mapped_column(Integer, server_default="0")
    claims: Mapped[int] = mapped_column(Integer, server_default="0")
    next_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    claimed_until: Mapped[datetime | None] = mapped_column(Time)
    last_status: Mapped[int | None] = mapped_column(Integer)
    last_error: Mapped[str | None] = mapped_column(Text)
    delivered_at: Mapped[datetime | None] = mapped_column(Time)
    tries: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")


class OperationRow(Base):
    """An operation on all sessions for which a condition holds. `position` is the id of the last one it came to.

    matched: how many there were when it was started. problems: the first that it could not do.
    session_id: the one that it is at, and takes: how often workers began with it; one that kills its worker is given
    up. begun: it is half deleted, and has to be deleted whatever becomes of the operation.
    """

    __tablename__ = "operations"
    __table_args__ = (
        Index("operations_agent", "agent_id", "id"),
        Index("operations_open", "checked_at", postgresql_where=text("status = 'running' or begun")),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    agent_id: Mapped[str] = mapped_column(Key)
    action: Mapped[str] = mapped_column(Text)
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(Text, server_default="running")
    matched: Mapped[int] = mapped_column(BigInteger)
    position: Mapped[str] = mapped_column(Key, server_default="")
    session_id: Mapped[str | None] = mapped_column(Key)
    takes: Mapped[int] = mapped_column(Integer, server_default="0")
    begun: Mapped[bool] = mapped_column(Boolean, server_default="false")
    done: Mapped[int] = mapped_column(BigInteger, server_default="0")
    skipped: Mapped[int] = mapped_column(BigInteger, server_default="0")
    failed: Mapped[int] = mapped_column(BigInteger, server_default="0")
    problems: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, server_default="[]")
    created_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    checked_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    finished_at: Mapped[datetime | None] = mapped_column(Time)
