"""The account that Postgres runs as, and files that this account can read.

Postgres refuses to run as root. Under root (a container, mostly) it therefore runs as an account that exists and
owns nothing; no account is made and no other folder's mode is changed. What it can't reach moves to `/var/tmp`.
"""

import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from pumice.dev.errors import DevError

PUBLIC = Path("/var/tmp")  # noqa: S108 (files here are made with modes of our own; see public_copy)
_CANDIDATES = ("nobody", "postgres", "daemon")


class ProcessOptions(TypedDict, total=False):
    """Arguments of `subprocess.Popen` that switch to an account."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """A user and group to run a process as."""

    uid: int
    gid: int

    def process_options(self) -> ProcessOptions:
        """What `subprocess.Popen` needs to start a process as this account, without any of root's groups."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def postgres_account(cluster: Path) -> Account | None:
    """Who runs Postgres on the folder `cluster`: None for whoever runs this, unless that is root.

    A cluster that exists keeps the owner it has. Raises `DevError` when root finds no account to use.
    """
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid)
    raise DevError(
        "Postgres doesn't run as root, and this system has none of the accounts "
        f"{', '.join(_CANDIDATES)}. Start this as another user, or set DATABASE_URL."
    )


def reachable(path: Path) -> bool:
    """Can every account pass through the folders above `path`?"""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


def public_copy(folders: list[Path], name: str) -> Path:
    """Copy `folders`, which must lie beside each other, to where every account can read them, once.

    Returns the copy of their common parent, a folder `name` under `/var/tmp` that only this user can write.
    Raises `DevError` when another user made that folder.
    """
    target = PUBLIC / name
    if not target.exists():
        making = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=PUBLIC))
        for folder in folders:
            shutil.copytree(folder, making / folder.name, symlinks=True)
        making.chmod(0o755)
        try:
            making.rename(target)
        except OSError:
            shutil.rmtree(making)
    status = target.stat()
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise DevError(f"{target} was made by another user; remove it, or set DATABASE_URL.")
    return target
