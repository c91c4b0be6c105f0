"""The SQLAlchemy engine, for all that is not on the hot path."""

from typing import Any

from sqlalchemy import Engine, create_engine

from pumice.settings import Settings


def make_engine(settings: Settings) -> Engine:
    """An engine with a small pool; connections are opened when they are first used."""
    arguments: dict[str, Any] = {"connect_timeout": 5, "application_name": "pumice"}
    if settings.database_pooled:
        arguments["prepare_threshold"] = None
    url = settings.database_url.replace("postgresql://", "postgresql+psycopg://", 1)
    pool = {"pool_size": 5, "max_overflow": 5, "pool_timeout": 5, "pool_pre_ping": True}
    # Errors are logged, and the parameters of a statement are what clients and authors wrote.
    return create_engine(url, **pool, hide_parameters=True, connect_args=arguments)
