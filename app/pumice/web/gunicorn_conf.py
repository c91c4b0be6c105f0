"""gunicorn's configuration: gevent workers, and a stop that finishes requests and closes sockets with 1012."""

import signal
from typing import Any

from pumice.logs import set_up_logging
from pumice.settings import Settings

_settings = Settings.from_env()
set_up_logging(_settings.log_level, form=_settings.log_format, timed=not _settings.pumice_dev)

bind = f"{_settings.host}:{_settings.port}"
worker_class = "gevent"
workers = _settings.web_concurrency
worker_connections = _settings.web_connections
keepalive = 75
graceful_timeout = 28
timeout = 60
backlog = 2048
logger_class = "pumice.web.gunicorn_logger.GunicornLogger"
loglevel = "warning" if _settings.log_level == "info" else _settings.log_level
accesslog = None
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Close what is idle as soon as the stop signal comes; gunicorn waits for what is left."""
    from pumice.web.stopping import prepare  # noqa: PLC0415 (only once gunicorn has patched everything)

    close = prepare(worker)
    stop = signal.getsignal(signal.SIGTERM)

    def close_and_stop(number: int, frame: Any) -> None:
        close()
        if callable(stop):
            stop(number, frame)

    signal.signal(signal.SIGTERM, close_and_stop)
