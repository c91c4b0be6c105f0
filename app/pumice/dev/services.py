"""web, worker and beat, as `pumice dev` starts and replaces them."""

import socket
import time
from collections.abc import Callable, Mapping

from pumice.dev.errors import DevError
from pumice.dev.front import Front
from pumice.dev.launch import Launch
from pumice.dev.procfile import SERVICES, service
from pumice.dev.servers import START_TIMEOUT
from pumice.dev.supervised import SupervisedProcesses


class Services:
    """web, worker and beat, with `shared` as the socket that every front accepts from.

    They are replaced in three steps: the next ones start beside the present ones (`prepare`); when they are ready
    (`prepared`), they take over and the old ones finish what they have begun (`switch`); when the old front accepts no
    more (`settled`), whoever calls meets the new code only. Somebody listens all the time, so no connection is refused.
    """

    def __init__(self, processes: SupervisedProcesses, shared: socket.socket) -> None:
        self._processes, self._shared = processes, shared
        self._front: Front | None = None
        self._next: Front | None = None
        self._last: Front | None = None
        self._give_up_at = 0.0

    def start(self, environ: Mapping[str, str]) -> None:
        """Start all three with this environment."""
        self._front = Front(self._shared, environ)
        for name in SERVICES:
            self._processes.start(name, _launch(name, self._front, environ))

    def ready(self) -> bool:
        """Does the front that was started take requests?"""
        return self._front is not None and self._front.ready()

    def prepare(self, environ: Mapping[str, str]) -> None:
        """Start the next three with this environment, instead of any that were being prepared."""
        self.discard()
        self._next = Front(self._shared, environ)
        self._give_up_at = time.monotonic() + START_TIMEOUT
        for name in SERVICES:
            self._processes.start_successor(name, _launch(name, self._next, environ))

    def prepared(self) -> bool:
        """Can the next three take over? Raises `DevError` when one of them has ended, or takes too long."""
        if ended := self._processes.ended_successor():
            raise DevError(f"{ended} while it started; its output is above")
        if time.monotonic() > self._give_up_at:
            raise DevError(f"the new front was not ready within {START_TIMEOUT:.0f} s; its output is above")
        return self._next is not None and self._next.ready()

    def discard(self) -> None:
        """Stop the next three, if there are any."""
        if self._next:
            self._next.close()
            self._next = None
        self._processes.discard_successors()

    def switch(self) -> None:
        """Let the next three take over."""
        if self._front:
            self._front.close()
        self._last, self._front, self._next = self._front, self._next, None
        self._processes.switch_to_successors()

    def settled(self) -> bool:
        """Does the front from before the last switch accept no more connections?"""
        return self._last is None or self._last.left()

    def close(self) -> None:
        """Listen no more, here: a front that runs goes on until it ends."""
        self._shared.close()
        for front in filter(None, (self._front, self._next)):
            front.close()


def _launch(name: str, front: Front, environ: Mapping[str, str]) -> Callable[[], Launch]:
    return front.launch if name == "web" else service(name, environ)
