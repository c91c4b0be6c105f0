"""What `pumice dev` was asked for, completed with `.env` and defaults."""

import dataclasses
import errno
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pumice.dev.dotenv_file import NAME, read_dotenv
from pumice.dev.errors import DevError
from pumice.dev.ports import HOST, first_listener, listener

DEFAULT_PORT = 8000
HIGHEST_PORT = 65535

_ROOT_IN_A_CONTAINER = "ignore:You're running the worker with superuser privileges"
"""Celery's warning, which fills a development log and says nothing new there."""


@dataclass(frozen=True)
class Options:
    """Options of the command, and the environment that it passes on.

    `agents` is None to take AGENTS or, without that, the examples; `port` is None to take PORT or, without that, 8000
    or the next free one.
    """

    agents: str | None
    port: int | None
    data_dir: Path
    reload: bool
    environ: Mapping[str, str]

    def with_dotenv(self) -> Self:
        """The same with what `.env` in the working directory sets and the environment does not.

        Raises `DevError` for a line that is wrong.
        """
        return dataclasses.replace(self, environ={**read_dotenv(Path(NAME)), **self.environ})

    @property
    def declaration(self) -> str:
        """What is served, as in AGENTS; empty for the examples."""
        return self.agents if self.agents is not None else self.environ.get("AGENTS", "")

    @property
    def host(self) -> str:
        """The address that the front listens on: this machine's own unless HOST says otherwise."""
        return self.environ.get("HOST") or HOST

    @property
    def reachable_host(self) -> str:
        """The address to call the front at, from this machine."""
        return HOST if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 (compared, not bound)

    def listen(self) -> tuple[socket.socket, str | None]:
        """A socket that listens for the front, and a note when its port isn't the usual one.

        Raises `DevError` when that can't be had.
        """
        port = self.port or self._port_setting()
        try:
            if port is not None:
                return listener(port, self.host), None
            found = first_listener(DEFAULT_PORT, self.host)
        except PermissionError:
            raise DevError(f"This user may not listen on port {port}: choose a --port from 1024 up.") from None
        except (OSError, UnicodeError) as error:
            if port is not None and getattr(error, "errno", None) == errno.EADDRINUSE:
                raise DevError(f"Port {port} is taken: stop what listens there, or choose another --port.") from None
            raise DevError(f"HOST is {self.host!r}, which is no address of this machine: {error}.") from None
        chosen = int(found.getsockname()[1])
        return found, None if chosen == DEFAULT_PORT else f"port {DEFAULT_PORT} is taken, using {chosen}"

    def children_environ(self, **settings: str) -> dict[str, str]:
        """The environment of web, worker and beat: ours, `settings`, and where to import agents from."""
        paths = [str(Path.cwd()), *filter(None, [self.environ.get("PYTHONPATH")])]
        warnings = ",".join(filter(None, [self.environ.get("PYTHONWARNINGS"), _ROOT_IN_A_CONTAINER]))
        fixed = {
            "HOST": self.host,
            "PUMICE_DEV": str(self.data_dir.resolve()),
            "PYTHONPATH": ":".join(paths),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": warnings,
        }
        return {**self.environ, **fixed, **settings}

    def _port_setting(self) -> int | None:
        """PORT, if it is set."""
        text = self.environ.get("PORT", "")
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST_PORT):
            raise DevError(f"PORT is {text!r}: it must be a number from 1 to {HIGHEST_PORT}.")
        return int(text)
