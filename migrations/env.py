"""Alembic's environment: the connection comes from `pumice db upgrade`."""

from typing import Any

import psycopg
from alembic import context
from sqlalchemy import create_engine, pool, text

from pumice.sessions.away import address
from pumice.sessions.tables import Base

MIGRATION_LOCK = 7_864_223
"""Advisory lock that lets one release at a time migrate."""


def main() -> None:
    """Run the migrations on `sqlalchemy.url`, which `pumice db upgrade` sets."""
    url = (context.config.get_main_option("sqlalchemy.url") or "").replace("postgresql+psycopg://", "postgresql://", 1)
    engine = create_engine(
        "postgresql+psycopg://",
        poolclass=pool.NullPool,
        creator=lambda: psycopg.connect(address(url), prepare_threshold=None),
    )
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, on_version_apply=note_applied)
        with context.begin_transaction():
            connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            context.run_migrations()


def note_applied(ctx: Any, step: Any, heads: Any, run_args: Any) -> None:  # noqa: ARG001 (Alembic passes them all)
    """Add a revision that is being applied to the caller's list, if it wants one."""
    context.config.attributes.get("applied", []).extend(step.up_revision_ids)


main()
