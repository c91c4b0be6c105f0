"""Starts everything in order, keeps it running, and stops it in the reverse order."""

import signal
import threading
from contextlib import ExitStack, suppress
from types import FrameType

from pumice.dev import datadir
from pumice.dev.agent_inspector import AgentInspector
from pumice.dev.children import Guard
from pumice.dev.console import Console
from pumice.dev.dotenv_file import NAME
from pumice.dev.errors import DevError
from pumice.dev.files import signature
from pumice.dev.inspection import Inspection
from pumice.dev.instance import Instance
from pumice.dev.options import Options
from pumice.dev.procfile import SERVICES
from pumice.dev.reload import Reloader
from pumice.dev.supervised import StopRequestedError, SupervisedProcesses


class Supervisor:
    """One run of `pumice dev`; `command` is what it was asked for, without what `.env` says."""

    def __init__(self, command: Options, console: Console) -> None:
        self._command, self._console = command, console
        self._stop = threading.Event()

    def run(self) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP.

        Raises `PumiceError` when it can't start.
        """
        dotenv_signature = signature(NAME)
        options = self._command.with_dotenv()
        with ExitStack() as stack, suppress(StopRequestedError):
            data = stack.enter_context(datadir.use(options.data_dir))
            front, note = options.listen()  # a killed predecessor has left its port by now
            stack.callback(front.close)
            guard = stack.enter_context(Guard(lock=data.lock, retract=(data.dev_file,)))
            processes = SupervisedProcesses(guard, self._console, self._stop)
            self._take_signals(processes)
            inspector = AgentInspector(data.inspection_file, guard)
            stack.callback(inspector.stop)
            instance = Instance(self._console, options, data, processes, front)
            inspection = self._inspect(inspector, instance, processes)
            for text in filter(None, [note, *inspection.notes]):
                self._console.say(text)
            stack.callback(processes.stop)
            stack.callback(instance.services.close)
            stack.callback(data.retract)
            stack.callback(self._console.say, "stopping")
            instance.start(inspection)
            reloader = Reloader(self._command, instance, inspector, self._console)
            reloader.begin(inspection, dotenv_signature)
            self._keep(instance, processes, reloader)
        self._console.say("stopped")

    def _take_signals(self, processes: SupervisedProcesses) -> None:
        """The first signal stops everything in order, the next ones don't wait for turns under way."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            if self._stop.is_set():
                processes.kill(SERVICES)
            self._stop.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, stop)

    def _inspect(self, inspector: AgentInspector, instance: Instance, processes: SupervisedProcesses) -> Inspection:
        """Import the agents. Raises `PumiceError` when they, or the settings, are wrong."""
        inspector.start(instance.options.declaration, instance.environ_of(instance.options))
        while (inspection := inspector.finished()) is None:
            processes.pause()
        if inspection.mistake:
            raise DevError(inspection.mistake)
        return inspection

    def _keep(self, instance: Instance, processes: SupervisedProcesses, reloader: Reloader) -> None:
        """Look after the processes until a signal comes."""
        while True:
            if self._command.reload:
                reloader.look()
            processes.look()
            instance.announce()
            processes.pause()
