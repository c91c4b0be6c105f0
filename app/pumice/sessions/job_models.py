"""The tables of jobs, typed: what each job remembers, its ticks, and schedules made at run time."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Double, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSON
from sqlalchemy.orm import Mapped, mapped_column

from pumice.sessions.model_base import NOW, Base, Key, Time


class JobRow(Base):
    """A job's own memory. Retention never touches it.

    All due times up to `decided_until` were dealt with: each has a tick, or lies in one of the job's gaps.
    `declaration` is its schedule as the beat that started last declares it; `seen_at`, when a beat last did.
    `removed_at`: when the newest code was first seen without it. `error`: why its schedule can't be worked out.
    """

    __tablename__ = "jobs"

    agent_id: Mapped[str] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(Key, primary_key=True)
    declaration: Mapped[str] = mapped_column(Text)
    decided_until: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    first_seen_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    seen_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    removed_at: Mapped[datetime | None] = mapped_column(Time)
    paused_at: Mapped[datetime | None] = mapped_column(Time)
    error: Mapped[str | None] = mapped_column(Text)


class GapRow(Base):
    """Due times of a job, one after the other, that were not run, all for the same reason."""

    __tablename__ = "job_gaps"

    agent_id: Mapped[str] = mapped_column(Key, primary_key=True)
    job: Mapped[str] = mapped_column(Key, primary_key=True)
    first_at: Mapped[datetime] = mapped_column(Time, primary_key=True)
    last_at: Mapped[datetime] = mapped_column(Time)
    reason_code: Mapped[str] = mapped_column(Text)
    count: Mapped[int] = mapped_column(BigInteger)


class TickRow(Base):
    """One due time of one job, or one run that somebody asked for (`kind`).

    A worker process that is at it moves `next_at` ahead of itself; when that has passed, any other goes on.
    `zones`: the timezones of the sessions that it is for; null for all that are due then.
    `zone` and `cursor`: how far the fan-out has made interactions; `inserted_at`, when it had made all of them.
    Sessions up to `woken` were woken, and the runs of those up to `drained` are finished and counted in `done`,
    `failed` and `skipped`, but for those of the sessions `waiting`; `done_at`, when all of them were. `queues`: it
    waits for earlier runs whatever the job's overlap says. `missed`: how many due times before it were folded into
    it. `reason_code`: why it was closed unrun.
    """

    __tablename__ = "ticks"
    __table_args__ = (Index("ticks_next", "next_at", postgresql_where=text("done_at is null")),)

    agent_id: Mapped[str] = mapped_column(Key, primary_key=True)
    job: Mapped[str] = mapped_column(Key, primary_key=True)
    scheduled_for: Mapped[datetime] = mapped_column(Time, primary_key=True)
    cursor: Mapped[str] = mapped_column(Key, server_default="")
    sessions: Mapped[int] = mapped_column(BigInteger, server_default="0")
    skipped: Mapped[int] = mapped_column(BigInteger, server_default="0")
    created_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    progressed_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    done_at: Mapped[datetime | None] = mapped_column(Time)
    kind: Mapped[str] = mapped_column(Text, server_default="due")
    queues: Mapped[bool] = mapped_column(Boolean, server_default="false")
    missed: Mapped[int] = mapped_column(BigInteger, server_default="0")
    zones: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    zone: Mapped[str] = mapped_column(Key, server_default="")
    next_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    inserted_at: Mapped[datetime | None] = mapped_column(Time)
    woken: Mapped[str] = mapped_column(Key, server_default="")
    drained: Mapped[str] = mapped_column(Key, server_default="")
    waiting: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    done: Mapped[int] = mapped_column(BigInteger, server_default="0")
    failed: Mapped[int] = mapped_column(BigInteger, server_default="0")
    reason_code: Mapped[str | None] = mapped_column(Text)


class ScheduleRow(Base):
    """A schedule that was made at run time, by its key: it calls `method` of its session at `next_at`.

    With neither `cron` nor `every` (seconds) it does so once, and is gone. `missed`: how many due times its next run
    stands for beside its own. Without `next_at` it does nothing any more; `error` says why. `updated_at`: since when it
    is this very schedule.
    The index begins with the agent: what is due of agents that nobody serves is not looked at.
    """

    __tablename__ = "schedules"
    __table_args__ = (Index("schedules_next", "agent_id", "next_at"),)

    agent_id: Mapped[str] = mapped_column(Key, primary_key=True)
    session_id: Mapped[str] = mapped_column(Key, primary_key=True)
    key: Mapped[str] = mapped_column(Key, primary_key=True)
    method: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    cron: Mapped[str | None] = mapped_column(Text)
    every: Mapped[float | None] = mapped_column(Double)
    timezone: Mapped[str | None] = mapped_column(Text)
    next_at: Mapped[datetime | None] = mapped_column(Time)
    last_at: Mapped[datetime | None] = mapped_column(Time)
    missed: Mapped[int] = mapped_column(BigInteger, server_default="0")
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
