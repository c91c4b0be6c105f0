"""What `pumice dev` prints: every process's lines under its name."""

import threading
from typing import IO

COLOURS = {"web": 36, "worker": 33, "beat": 35, "postgres": 34, "redis": 31, "release": 32, "dev": 32}
"""The ANSI colour of each name."""

_WIDTH = max(map(len, COLOURS))


class Console:
    """Writes whole lines to `stream`, from any thread; with colours when `stream` is a terminal."""

    def __init__(self, stream: IO[str], *, colours: bool | None = None) -> None:
        self._stream: IO[str] | None = stream
        self._colours = stream.isatty() if colours is None else colours
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """One message of our own."""
        self.line("dev", text)

    def line(self, name: str, text: str) -> None:
        """One line of `name`'s output."""
        self._write(f"{self._paint(f'{name:{_WIDTH}} |', COLOURS.get(name, 37))} {text}\n")

    def block(self, lines: list[str]) -> None:
        """Several lines, which no other output interrupts."""
        self._write("".join(f"{line}\n" for line in ["", *lines, ""]))

    def bold(self, text: str) -> str:
        """The text, bold on a terminal."""
        return self._paint(text, 1)

    def relay(self, name: str, output: IO[bytes]) -> None:
        """Write the lines of a process's `output` until it closes."""
        with output:
            for line in output:
                self.line(name, line.decode(errors="replace").rstrip("\r\n"))

    def _paint(self, text: str, code: int) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colours else text

    def _write(self, text: str) -> None:
        with self._lock:
            if self._stream is None:
                return
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):  # The terminal is gone; the processes must not wait for it.
                self._stream = None
