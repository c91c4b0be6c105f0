"""Machines made of namespaces of this one's kernel: each has its own network, name, shared memory and folder.

A machine reaches one address of the host, over a link of its own, and no other machine. It lasts as long as a process
that waits for its input to end, so that a benchmark which is killed leaves none behind.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.stack.processes import ROOT

NETWORK = "10.77"
MOST = 254
"""Machines that the addresses suffice for."""

TOOLS = ("unshare", "nsenter", "setpriv", "ip", "mount", "hostname", "sh", "env")
SPACES = ("--net", "--uts", "--ipc", "--mount")
BEGIN = 'hostname "$1" && mount -t tmpfs none /dev/shm && echo ready && exec cat'


@dataclass(frozen=True)
class Place:
    """The names and addresses of the n-th machine, counted from 1."""

    number: int

    @property
    def name(self) -> str:
        """What the machine calls itself."""
        return f"machine{self.number}"

    @property
    def link(self) -> str:
        """The host's end of the link to it."""
        return f"pumice{self.number}"

    @property
    def host(self) -> str:
        """The host's address on that link."""
        return f"{NETWORK}.{self.number}.1"

    @property
    def address(self) -> str:
        """The machine's address on that link."""
        return f"{NETWORK}.{self.number}.2"


@dataclass(frozen=True)
class Machine:
    """A machine that runs; `pid` is a process on it, `folder` the only one that it should write to."""

    place: Place
    pid: int
    folder: Path

    def command(self, arguments: Sequence[str], settings: Mapping[str, str]) -> list[str]:
        """Return the command that runs `arguments` there; the process that is started becomes theirs.

        It dies with the process that starts it, so that none is left on a machine that should be gone.
        """
        enter = [
            _tool("setpriv"),
            "--pdeathsig",
            "KILL",
            _tool("nsenter"),
            "--target",
            str(self.pid),
            *SPACES,
            f"--wd={self.folder}",
        ]
        own = {**settings, "HOME": str(self.folder), "TMPDIR": str(self.folder), "PYTHONPATH": str(ROOT)}
        return [*enter, _tool("env"), *(f"{name}={value}" for name, value in own.items()), *arguments]


@contextmanager
def machines(count: int, folder: Path) -> Iterator[list[Machine]]:
    """Yield so many machines, which end with the block. Raises SystemExit where none can be made."""
    if missing := [name for name in TOOLS if not shutil.which(name)]:
        raise SystemExit(f"machines are made with programs that are missing here: {', '.join(missing)}")
    if os.geteuid() != 0:
        raise SystemExit("machines are network namespaces with links to this one: only root can make them")
    with ExitStack() as opened:
        yield [opened.enter_context(_machine(Place(number), folder)) for number in range(1, count + 1)]


@contextmanager
def _machine(place: Place, folder: Path) -> Iterator[Machine]:
    own = folder / place.name
    own.mkdir()
    command = [_tool("unshare"), *SPACES, _tool("sh"), "-c", BEGIN, "sh", place.name]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as holder:
        try:
            if holder.stdout is None or holder.stdout.readline() != b"ready\n":
                _, said = holder.communicate()
                raise SystemExit(f"no namespaces can be made here: {said.decode(errors='replace').strip()}")
            with _link(place, holder.pid):
                yield Machine(place, holder.pid, own)
        finally:
            holder.kill()


@contextmanager
def _link(place: Place, pid: int) -> Iterator[None]:
    _ip("link", "add", place.link, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    try:
        _ip("addr", "add", f"{place.host}/24", "dev", place.link)
        _ip("link", "set", place.link, "up")
        _ip("addr", "add", f"{place.address}/24", "dev", "eth0", inside=pid)
        for device in ("lo", "eth0"):
            _ip("link", "set", device, "up", inside=pid)
        yield
    finally:  # it would go with its namespace, but only some time later
        _ip("link", "delete", place.link)


def _ip(*arguments: str, inside: int | None = None) -> None:
    enter = [_tool("nsenter"), "--target", str(inside), "--net"] if inside else []
    done = subprocess.run([*enter, _tool("ip"), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}")


def _tool(name: str) -> str:
    return shutil.which(name) or name
