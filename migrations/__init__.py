"""Alembic migrations, applied by `pumice db upgrade`."""
