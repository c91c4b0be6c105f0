"""Which addresses may be called: what an endpoint's host resolves to must be public, or allowed by OUTGOING_PRIVATE.

A host is resolved once for each attempt, and the connection is made to the very address that was checked: what the name
resolves to a moment later changes nothing.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from pumice.errors import PumiceError

Network: TypeAlias = IPv4Network | IPv6Network
Info: TypeAlias = tuple[int, tuple[Any, ...]]
"""An address family, and a socket's address in it."""

UNICAST = IPv6Network("2000::/3")
"""The only part of IPv6 that is in use on the internet."""
STRANGE = (
    *(IPv6Network("2002::/16"), IPv6Network("2001::/32")),  # 6to4, Teredo
    *(IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48")),  # NAT64
    IPv6Network("3fff::/20"),  # for documents; Python 3.11 does not know it
)
"""Addresses that stand for an IPv4 address which somebody else calls, or for nothing."""
MOST_ADDRESSES = 4
"""Addresses of one host that are tried."""
PORTS = {"http": 80, "https": 443}


class RefusedAddressError(PumiceError):
    """The endpoint's address may not be called."""


class UnresolvedError(PumiceError):
    """The endpoint's host does not resolve."""


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint's address in its parts. `netloc` is what its Host header says."""

    scheme: str
    host: str
    port: int
    netloc: str
    path: str

    @classmethod
    def of(cls, url: str) -> "Target":
        """The parts of an address that was checked when it came."""
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, parts.hostname or "", parts.port or PORTS[parts.scheme], parts.netloc, path)


def networks(text: str) -> tuple[Network, ...]:
    """The networks of OUTGOING_PRIVATE."""
    return tuple(ip_network(one.strip(), strict=False) for one in text.split(",") if one.strip())


def allowed(target: Target, found: Sequence[Info], private: Sequence[Network]) -> list[Info]:
    """Those of a host's addresses that may be called. Raises `RefusedAddressError` when none may.

    A host with one address that may not be called gets nothing: whoever gives its name both means one of them.
    """
    inside = [_is_in(info, private) for info in found]
    for info, is_private in zip(found, inside, strict=True):
        if not is_private and not is_public(info[1][0]):
            raise RefusedAddressError(f"{target.host} is {info[1][0]}, which is not public: OUTGOING_PRIVATE allows it")
    if target.scheme != "https" and not all(inside):
        raise RefusedAddressError("http is for addresses that OUTGOING_PRIVATE allows; others need https")
    return list(found)[:MOST_ADDRESSES]


def is_public(text: str) -> bool:
    """Whether an address is one of the internet's, and stands for no other."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped
        if inner is not None or address not in UNICAST or any(address in one for one in STRANGE):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def look_up(target: Target) -> list[Info]:
    """What a host resolves to. May take long. Raises `UnresolvedError`."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UnresolvedError(f"{target.host} does not resolve: {getattr(error, 'strerror', None) or error}") from None
    return list(dict.fromkeys((int(family), address) for family, _, _, _, address in found))


async def look_up_beside(target: Target, resolve: Callable[[Target], list[Info]] = look_up) -> list[Info]:
    """The same, on a thread of its own, which a slow name server may hold long after nobody waits for it.

    Raises `UnresolvedError`.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[Info]] = loop.create_future()

    def finish(value: list[Info] | Exception) -> None:
        if found.done():
            return
        if isinstance(value, Exception):
            found.set_exception(value)
        else:
            found.set_result(value)

    def run() -> None:
        value: list[Info] | Exception
        try:
            value = resolve(target)
        except Exception as error:
            value = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(finish, value)

    threading.Thread(target=run, name="pumice-resolve", daemon=True).start()
    return await found


def check_now(url: str, private: Sequence[Network], *, timeout: float) -> None:
    """Refuse an endpoint's address where it is known by now that it may not be called.

    One that does not resolve within `timeout` seconds passes: it is checked again whenever something is sent.
    Raises `RefusedAddressError`.
    """
    target = Target.of(url)
    found: list[list[Info]] = []

    def run() -> None:
        try:
            found.append(look_up(target))
        except UnresolvedError:
            return

    thread = threading.Thread(target=run, name="pumice-resolve", daemon=True)
    thread.start()
    thread.join(timeout)
    if found:
        allowed(target, found[0], private)


def _is_in(info: Info, private: Sequence[Network]) -> bool:
    address: IPv4Address | IPv6Address = ip_address(str(info[1][0]).partition("%")[0])
    return any(address in network for network in private if network.version == address.version)
