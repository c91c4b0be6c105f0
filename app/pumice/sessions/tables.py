"""All tables, for whoever makes or compares them: `Base.metadata` knows those whose classes were imported."""

from pumice.sessions import hook_models, job_models, models
from pumice.sessions.model_base import Base

__all__ = ["Base", "hook_models", "job_models", "models"]
