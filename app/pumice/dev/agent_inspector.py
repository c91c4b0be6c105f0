"""Imports the agents in a process of its own, on behalf of `pumice dev`."""

import signal
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pumice.agents.hidden_packages import check_hidden_packages
from pumice.dev.children import Child, Guard, stop_all
from pumice.dev.errors import DevError
from pumice.dev.inspection import Inspection
from pumice.dev.launch import Launch
from pumice.errors import DeclarationError

TIMEOUT = 60.0
"""Seconds that importing the agents may take."""


class AgentInspector:
    """Runs `pumice.dev.inspect_agents`, one at a time; `result` is the file through which it answers.

    What the agents print is dropped: web, worker and beat print it again.
    """

    def __init__(self, result: Path, guard: Guard) -> None:
        self._result, self._guard = result, guard
        self._child: Child | None = None
        self._declaration = ""
        self._output: deque[bytes] = deque(maxlen=1)
        self._give_up_at = 0.0

    def start(self, declaration: str, environ: Mapping[str, str]) -> None:
        """Begin to import what `declaration` names, in a process with this environment.

        Raises `DevError` when the data directory can't be written.
        """
        try:
            self._result.write_bytes(b"")
        except OSError as error:
            raise DevError(f"{self._result} can't be written: {error.strerror}") from None
        self._declaration = declaration
        self._output.clear()
        argv = [sys.executable, "-m", "pumice.dev.inspect_agents", str(self._result), declaration]
        argv.append(environ.get("MIDDLEWARE", ""))
        launch = Launch("dev", argv, Path.cwd(), environ, stop=signal.SIGKILL)
        self._child = Child("dev", lambda: launch, self._guard, self._collect)
        self._child.start()
        self._give_up_at = time.monotonic() + TIMEOUT

    def finished(self) -> Inspection | None:
        """The outcome, once; None while it is under way. Never blocks."""
        if self._child is None:
            return None
        code = self._child.ended()
        if code is None and time.monotonic() < self._give_up_at:
            return None
        outcome = self._outcome(code)
        self.stop()
        return outcome

    def stop(self) -> None:
        """End it, if it runs."""
        if self._child:
            stop_all([self._child])
            self._child = None
            self._result.unlink(missing_ok=True)

    def _outcome(self, code: int | None) -> Inspection:
        found = Inspection.read(self._result)
        if found:
            return found
        if code is None:
            return self._without_result(f"importing the agents took more than {TIMEOUT:.0f} s")
        try:
            check_hidden_packages()
        except DeclarationError as error:  # that process needs those packages before it can look for itself
            return self._without_result(str(error))
        last = self._output[-1].decode(errors="replace").strip() if self._output else ""
        return self._without_result(
            ": ".join(filter(None, [f"importing the agents ended Python (exit code {code})", last]))
        )

    def _without_result(self, mistake: str) -> Inspection:
        return Inspection(declaration=self._declaration, mistake=mistake)

    def _collect(self, _name: str, output: IO[bytes]) -> None:
        with output:
            self._output.extend(line for line in output if line.strip())
