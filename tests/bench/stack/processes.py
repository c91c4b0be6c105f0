"""One real process of a contender, with its log in a file: started, paused, stopped."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[3]


class Process:
    """A command started in its own process group from the checkout's root; `log` receives what it prints."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.log = log
        self.command = list(command)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The id of the process at the root of its tree."""
        return self._process.pid

    def family(self) -> list[psutil.Process]:
        """Return the process and everything below it."""
        root = psutil.Process(self.pid)
        return [root, *root.children(recursive=True)]

    def require_alive(self) -> None:
        """Raise RuntimeError with the end of the log when the process has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.command} ended with {self._process.returncode}:\n{self.tail()}")

    def tail(self, lines: int = 30) -> str:
        """Return the last lines that the process printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def pause(self) -> None:
        """Stop the whole tree where it stands."""
        for member in self.family():
            member.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused tree go on."""
        for member in self.family():
            member.send_signal(signal.SIGCONT)

    def ask_to_end(self) -> None:
        """Send SIGTERM, as a platform does."""
        if self._process.poll() is None:
            self._process.terminate()

    def wait_for_end(self, patience: float = 10.0) -> None:
        """Wait until the process has ended, and kill its tree when it hasn't after `patience` seconds."""
        if self._process.poll() is not None:
            return
        family = self.family()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            for member in family:
                if member.is_running():
                    member.kill()
            self._process.wait()


def run_command(command: Sequence[str], env: Mapping[str, str]) -> str:
    """Run a short command from the checkout's root and return what it printed; raise RuntimeError when it fails."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{list(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def python(*arguments: str) -> list[str]:
    """Return the command that runs this very interpreter with `arguments`."""
    return [sys.executable, *arguments]
