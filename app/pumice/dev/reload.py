"""Notices changes of the author's Python files."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watchfiles import Change, watch

IGNORED = {".git", ".venv", "venv", "node_modules", "__pycache__", "tests", "build", "dist"}
"""Folders whose Python files no process loads."""


def folders(root: Path, data: Path) -> list[Path]:
    """The folders directly under `root` that hold Python files, at most one level further down.

    Watching all of `root` would take a watch for each folder of an environment or a home directory.
    """
    found = []
    for folder in root.iterdir():
        if folder.is_dir() and folder.name not in IGNORED and not folder.name.startswith(".") and folder != data:
            found += [folder] if _holds_python(folder) else []
    return found


def watch_code(root: Path, data: Path, changed: threading.Event, stop: threading.Event) -> list[threading.Thread]:
    """Set `changed` whenever a Python file in `root`, or below its `folders`, changes, until `stop` is set."""

    def wanted(_change: Change, path: str) -> bool:
        return path.endswith(".py") and IGNORED.isdisjoint(Path(path).relative_to(root).parts)

    def follow(paths: list[Path], *, recursive: bool) -> None:
        options: dict[str, Any] = {"stop_event": stop, "recursive": recursive, "raise_interrupt": False}
        for _ in watch(*paths, watch_filter=wanted, **options):
            changed.set()

    deep = folders(root, data)
    threads = [threading.Thread(target=follow, args=([root],), kwargs={"recursive": False}, daemon=True)]
    if deep:
        threads.append(threading.Thread(target=follow, args=(deep,), kwargs={"recursive": True}, daemon=True))
    for thread in threads:
        thread.start()
    return threads


def _holds_python(folder: Path) -> bool:
    def files() -> Iterator[Path]:
        yield from folder.glob("*.py")
        yield from folder.glob("*/*.py")

    try:
        return any(True for _ in files())
    except OSError:
        return False
