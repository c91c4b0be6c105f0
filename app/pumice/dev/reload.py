"""Replaces the running processes when the author's code changes, but never by code that can't be loaded."""

import time
from pathlib import Path

from pumice.dev.agent_inspector import AgentInspector
from pumice.dev.console import Console
from pumice.dev.dotenv_file import NAME
from pumice.dev.errors import DevError
from pumice.dev.files import Signature, WatchedFiles, signature
from pumice.dev.inspection import Inspection
from pumice.dev.instance import Instance
from pumice.dev.options import Options
from pumice.errors import PumiceError


class Reloader:
    """Watches `.env` and the files that the agents of `instance` are made of.

    A change leads through these steps: it is waited for until the files are left alone; another process imports the
    agents; the next processes start; they take over. Whatever goes wrong on the way, the present processes go on. A
    further change on the way starts over.
    """

    def __init__(self, command: Options, instance: Instance, inspector: AgentInspector, console: Console) -> None:
        self._command, self._instance = command, instance
        self._inspector, self._console = inspector, console
        self._watched = WatchedFiles()
        self._dotenv = str(Path(NAME).absolute())
        self._dotenv_signature: Signature = None
        self._reason = ""
        self._begun = 0.0
        self._inspected: Options | None = None
        self._prepared: Inspection | None = None
        self._settling = False

    def begin(self, inspection: Inspection, dotenv_signature: Signature) -> None:
        """Watch what was found at the start, for changes since then."""
        self._watched.watch({**inspection.files, self._dotenv: dotenv_signature})

    def look(self) -> None:
        """Go a step further, if it is time for one. Never blocks for long."""
        if self._inspected is not None:
            if inspection := self._inspector.finished():
                self._conclude(self._inspected, inspection)
        elif changed := self._watched.changed():
            self._inspect(changed)
        elif self._prepared is not None:
            self._switch(self._prepared)
        if self._settling and self._instance.services.settled():
            self._console.say(f"ready again after {time.monotonic() - self._begun:.1f} s")
            self._settling = False

    def _inspect(self, changed: list[str]) -> None:
        """Begin to import the agents as they are now."""
        self._begun = time.monotonic()
        self._watched.accept()
        self._dotenv_signature = signature(self._dotenv)
        self._reason = ", ".join(sorted({Path(path).name for path in changed}))
        try:
            options = self._command.with_dotenv()
            self._inspector.start(options.declaration, self._instance.environ_of(options))
        except PumiceError as error:
            self._refuse(str(error))
        else:
            self._inspected = options

    def _conclude(self, options: Options, inspection: Inspection) -> None:
        """Start the next processes, unless the agents can't be imported."""
        self._inspected = None
        files = {**inspection.files, self._dotenv: self._dotenv_signature}
        if inspection.mistake is not None:
            self._watched.watch({**self._watched.known, **files})
            if not self._watched.stale():  # else it was read half-written
                self._refuse(inspection.mistake)
            return
        self._watched.watch(files)
        for text in (*inspection.notes, f"{self._reason} changed: starting web, worker and beat anew"):
            self._console.say(text)
        self._instance.prepare(options, inspection)
        self._prepared = inspection

    def _switch(self, inspection: Inspection) -> None:
        """Let the next processes take over once they are ready, unless they may have loaded what has changed since."""
        try:
            ready = self._instance.services.prepared()
        except DevError as error:
            self._refuse(str(error))
            return
        if ready and not self._watched.stale():
            self._prepared = None
            self._instance.switch(inspection)
            self._settling = True

    def _refuse(self, mistake: str) -> None:
        self._prepared = None
        self._instance.services.discard()
        self._console.say(f"{mistake} (not reloaded: the processes from before the change go on)")
