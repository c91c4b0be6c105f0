"""How a process is started and stopped."""

import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pumice.dev.accounts import Account


@dataclass(frozen=True)
class Launch:
    """A command, ready to start.

    `stop` is the signal that asks it to end, `grace` how many seconds it gets before it is killed. Processes of a
    higher `level` stop before those of a lower one. It inherits the descriptors `pass_fds` under their numbers.
    """

    name: str
    argv: list[str]
    cwd: Path
    environ: Mapping[str, str] | None = None
    account: Account | None = None
    stop: signal.Signals = signal.SIGTERM
    grace: float = 25.0
    level: int = 1
    pass_fds: tuple[int, ...] = ()

    def start(self) -> subprocess.Popen[bytes]:
        """Start it in a session of its own (a terminal's Ctrl-C doesn't reach it), its output in one pipe."""
        return subprocess.Popen(  # noqa: S603 (our own commands)
            self.argv,
            cwd=self.cwd,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=self.pass_fds,
            **(self.account.process_options() if self.account else {}),
        )
