"""gunicorn's own log lines, in the same form as all others, and with keys masked."""

from typing import Any

from gunicorn.glogging import Logger


class GunicornLogger(Logger):
    """Leaves its records to the root logger, which `pumice.logs` has set up."""

    def setup(self, cfg: Any) -> None:
        """Take gunicorn's level, and none of its handlers."""
        super().setup(cfg)
        self.error_log.handlers[:] = []
        self.error_log.propagate = True
