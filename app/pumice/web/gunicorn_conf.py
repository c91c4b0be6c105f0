"""gunicorn's configuration: gevent workers, and a stop that finishes requests and closes sockets with 1012."""

import signal
import socket
import sys
from typing import Any

from pumice.garbage import collect_rarely
from pumice.logs import get_logger, set_up_logging
from pumice.settings import Settings

_settings = Settings.from_env()
set_up_logging(_settings.log_level, form=_settings.log_format, timed=not _settings.pumice_dev)

bind = f"{_settings.host}:{_settings.port}"
worker_class = "pumice.web.gunicorn_worker.FrontWorker"
workers = _settings.web_concurrency
worker_connections = _settings.web_connections
keepalive = 75
graceful_timeout = 28
timeout = 60
backlog = 2048
logger_class = "pumice.web.gunicorn_logger.GunicornLogger"
loglevel = "warning" if _settings.log_level == "info" else _settings.log_level
accesslog = None
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 8190
forwarder_headers = ""
control_socket_disable = True


def on_starting(server: Any) -> None:
    """End with one line if an address can't be listened on; gunicorn itself would try for 5 s, in ten lines.

    Sockets that were passed on are listened on already.
    """
    for address in server.cfg.address:
        if isinstance(address, tuple):
            _check_free(*address[:2])


def when_ready(server: Any) -> None:
    """Say where requests are taken."""
    get_logger("pumice.web").info("listening", at=",".join(str(listener) for listener in server.LISTENERS))


def post_worker_init(worker: Any) -> None:
    """Close what is idle as soon as the stop signal comes; gunicorn waits for what is left."""
    from pumice.web.stopping import prepare  # noqa: PLC0415 (only once gunicorn has patched everything)

    collect_rarely()
    close = prepare(worker)
    stop = signal.getsignal(signal.SIGTERM)

    def close_and_stop(number: int, frame: Any) -> None:
        close()
        if callable(stop):
            stop(number, frame)

    signal.signal(signal.SIGTERM, close_and_stop)


def _check_free(host: str, port: int) -> None:
    """End this process with a line and exit status 1 if nobody can listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        sys.stderr.write(
            f"pumice: can't listen on {host}:{port}: {error.strerror}. Stop what listens there, or set HOST and PORT.\n"
        )
        sys.exit(1)
