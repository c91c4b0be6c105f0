"""Notices changes of files by looking at them, each by name.

Looking finds what subscribing to the system's events would miss: what changed before the subscription stood, and what
lies on a mounted or shared folder. A look at a hundred files takes less than a millisecond.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

Signature: TypeAlias = tuple[int, int, int] | None
"""What tells one version of a file from the next; None when there is no file."""

INTERVAL = 0.2
"""Seconds between two looks."""
QUIET = 0.2
"""Seconds without a change after which a file counts as written: editors truncate first, or rename twice."""


def signature(path: str | Path) -> Signature:
    """The signature of the file at `path` now."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class WatchedFiles:
    """Tells when one of a set of files has changed and is written to its end."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.known: dict[str, Signature] = {}
        self._seen: dict[str, Signature] = {}
        self._seen_at = self._looked_at = float("-inf")

    def watch(self, files: Mapping[str, Signature]) -> None:
        """Watch these instead, for changes since they had these signatures."""
        self.known = dict(files)
        self._seen = dict(files)
        self._seen_at = self._looked_at = float("-inf")

    def stale(self) -> bool:
        """Does any file differ from what is known at this moment, be it half-written?"""
        return any(signature(path) != known for path, known in self.known.items())

    def accept(self) -> None:
        """Take the files as they were seen last for known."""
        self.known = dict(self._seen)

    def changed(self) -> list[str]:
        """The files that differ from what is known, once they have been left alone for `QUIET` seconds; else none.

        They are reported until `accept` or `watch` is called.
        """
        now = self._now()
        if now - self._looked_at < INTERVAL:
            return []
        self._looked_at = now
        seen = {path: signature(path) for path in self.known}
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
        if now - self._seen_at < QUIET:
            return []
        return [path for path, one in seen.items() if one != self.known[path]]
