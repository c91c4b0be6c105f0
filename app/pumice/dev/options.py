"""What `pumice dev` was asked for, completed with defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pumice.dev.errors import DevError
from pumice.dev.ports import HOST, first_free, is_free

DEFAULT_PORT = 8000

_ROOT_IN_A_CONTAINER = "ignore:You're running the worker with superuser privileges"
"""Celery's warning, which fills a development log and says nothing new there."""


@dataclass(frozen=True)
class Options:
    """Options of the command, and the environment that it passes on.

    `agents` is None to take AGENTS or, without that, the examples; `port` is None for 8000 or the next free one.
    """

    agents: str | None
    port: int | None
    data_dir: Path
    reload: bool
    environ: Mapping[str, str]

    @property
    def host(self) -> str:
        """The address that the front listens on: this machine's own unless HOST says otherwise."""
        return self.environ.get("HOST") or HOST

    @property
    def reachable_host(self) -> str:
        """The address to call the front at, from this machine."""
        return HOST if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 (compared, not bound)

    def choose_port(self) -> tuple[int, str | None]:
        """The front's port, and a note when it isn't the usual one.

        Raises `DevError` when the port asked for is taken.
        """
        if self.port is not None:
            if not is_free(self.port, self.host):
                raise DevError(f"Port {self.port} is taken: stop what listens there, or choose another --port.")
            return self.port, None
        port = first_free(DEFAULT_PORT, self.host)
        return port, None if port == DEFAULT_PORT else f"port {DEFAULT_PORT} is taken, using {port}"

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
