"""Whose request it is: the address of the peer, or what the proxies in front say of theirs.

`X-Forwarded-For` is what anybody may write. Each proxy appends the address of its own peer, so of n proxies that are
trusted (`TRUSTED_PROXIES`) the n-th entry from the end is the client's; what stands before it is a claim.
"""

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def client_address(peer: str, forwarded_for: str, proxies: int) -> str:
    """The client's address. The peer's own, if the proxies did not say, or said something that is no address."""
    entries = [entry.strip() for entry in forwarded_for.split(",")] if proxies else []
    if len(entries) < proxies or not entries:
        return peer
    try:
        return str(ipaddress.ip_address(entries[-proxies]))
    except ValueError:
        return peer


def forwarded(headers: Iterable[tuple[str, str]]) -> str:
    """What the proxies say, all headers of that name together."""
    return ",".join(value for name, value in headers if name == "X-FORWARDED-FOR")


def with_client_address(inner: Application, proxies: int) -> Application:
    """The app, seeing the client's address instead of the nearest proxy's."""

    def outer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        peer, said = environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", "")
        environ["REMOTE_ADDR"] = client_address(peer, said, proxies)
        return inner(environ, start_response)

    return outer
