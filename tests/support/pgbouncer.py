"""A PgBouncer in front of a Postgres, for tests on machines that have one."""

import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from tests.support.processes import free_port
from tests.support.waiting import wait_until

PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@contextmanager
def pgbouncer(folder: Path, database_url: str, *, mode: str, size: int) -> Iterator[str]:
    """The address of a database behind a PgBouncer with pools of this mode and size."""
    assert PROGRAM
    target, port = urlsplit(database_url), free_port()
    (folder / "users").write_text(f'"{target.username}" "{target.password or ""}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={target.hostname} port={target.port}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n"
        f"auth_file = {folder}/users\npool_mode = {mode}\ndefault_pool_size = {size}\n"
    )
    account = pwd.getpwnam("nobody")
    process = subprocess.Popen(
        [PROGRAM, "--quiet", str(folder / "pgbouncer.ini")],
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        stderr=subprocess.DEVNULL,
    )
    url = target._replace(netloc=f"{target.username}:{target.password or ''}@127.0.0.1:{port}").geturl()
    try:
        wait_until(lambda: _answers(url), 10, "PgBouncer")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
