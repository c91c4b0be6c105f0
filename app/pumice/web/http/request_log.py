"""One line for each request, while an agent is being written. In production nothing is logged per request."""

import time

from flask import Flask, Response, g, request

from pumice.logs import get_logger

SESSION = "pumice.session"
"""Where in a request's environment the session stands that it concerns."""

PROBES = ("/healthz", "/readyz")
"""Asked all the time by whoever looks after the process."""

log = get_logger("pumice.request")


def log_requests(app: Flask) -> None:
    """Log each request of this app when its response begins: method, path, status, milliseconds, session."""

    @app.before_request
    def note_start() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def log_request(response: Response) -> Response:
        if request.path in PROBES:
            return response
        taken = (time.perf_counter() - g.started) * 1000 if "started" in g else 0.0
        session = request.environ.get(SESSION) or (request.view_args or {}).get("session_id")
        fields = {"method": request.method, "path": request.path, "status": response.status_code, "ms": round(taken)}
        log.info("request", **fields, **({"session": session} if session else {}))
        return response
