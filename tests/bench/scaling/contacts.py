"""Whom a machine talks to, from the kernel's tables of the TCP connections in its network."""

import sys
from ipaddress import IPv6Address, ip_address
from pathlib import Path

from tests.bench.loader.http import Address

ESTABLISHED = "01"
WORD = 8
"""Digits of the four bytes that the kernel prints as one number, in the machine's own order."""


def called(pid: int, own_port: int) -> set[Address]:
    """Return what has been called from the network of process `pid`, but for what has called its `own_port`."""
    tables = [Path(f"/proc/{pid}/net/{name}") for name in ("tcp", "tcp6")]
    return {address for table in tables if table.exists() for address in parse(table.read_text(), own_port)}


def parse(table: str, own_port: int) -> set[Address]:
    """Return the far ends of the connections that are established, without those of `own_port` and of loopback."""
    found = set()
    for line in table.splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        if state == ESTABLISHED and _address(local)[1] != own_port:
            found.add(_address(remote))
    return {address for address in found if not ip_address(address[0]).is_loopback}


def _address(text: str) -> Address:
    digits, _, port = text.partition(":")
    words = [bytes.fromhex(digits[at : at + WORD]) for at in range(0, len(digits), WORD)]
    host = ip_address(b"".join(word if sys.byteorder == "big" else word[::-1] for word in words))
    if isinstance(host, IPv6Address) and host.ipv4_mapped:
        host = host.ipv4_mapped
    return (str(host), int(port, 16))
