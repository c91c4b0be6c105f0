"""The front (`web`), on a socket that outlives it."""

import dataclasses
import socket
import threading
from collections.abc import Mapping

from pumice.dev.launch import Launch
from pumice.dev.ports import HOST, is_free, listener
from pumice.dev.procfile import answers, service

_PAUSE = 0.05
"""Seconds between two questions to a front that is not ready."""


class Front:
    """One version of the front: it accepts from the socket `shared`, as the versions before and after it do.

    It also listens at an address of its own, where this version alone can be asked whether it is ready and whether it
    still accepts.
    """

    def __init__(self, shared: socket.socket, environ: Mapping[str, str]) -> None:
        self._shared, self._environ = shared, environ
        self._private: socket.socket | None = None
        self._port = 0
        self._readiness: _Readiness | None = None

    def launch(self) -> Launch:
        """How to start it, for each start anew. gunicorn takes the sockets from the variable that it reads."""
        self.close()
        self._private = listener(0)
        self._port = int(self._private.getsockname()[1])
        self._readiness = _Readiness(f"http://{HOST}:{self._port}/readyz")
        sockets = (self._shared.fileno(), self._private.fileno())
        arguments = [self._environ.get("GUNICORN_CMD_ARGS", ""), *(f"--bind=fd://{number}" for number in sockets)]
        launch = service("web", {**self._environ, "GUNICORN_CMD_ARGS": " ".join(arguments).strip()})()
        return dataclasses.replace(launch, pass_fds=sockets)

    def ready(self) -> bool:
        """Does it take requests?"""
        return self._readiness is not None and self._readiness.seen.is_set()

    def left(self) -> bool:
        """Does it accept no more connections, after `close` here and a stop there?"""
        return is_free(self._port)

    def close(self) -> None:
        """Hold its address no longer: it is listened on as long as the front itself does."""
        if self._readiness:
            self._readiness.ignored.set()
        if self._private:
            self._private.close()


class _Readiness:
    """Sets `seen` when `url` answers, unless `ignored` is set before."""

    def __init__(self, url: str) -> None:
        self.seen, self.ignored = threading.Event(), threading.Event()
        threading.Thread(target=self._ask, args=(url,), daemon=True).start()

    def _ask(self, url: str) -> None:
        while not self.ignored.is_set():
            if answers(url):
                self.seen.set()
                return
            self.ignored.wait(_PAUSE)
