"""How many bytes of request bodies a front holds at once, in all and from one address.

A body counts as it comes, not as long as it says it is: who announces ten megabytes and sends none takes nothing. Only
what does not come together with its headers counts at all. On gevent, one greenlet at a time comes here.
"""

import ipaddress
from collections import Counter

from pumice.errors import Overloaded, TooMany

SHARE = 2
"""One address may take the budget divided by this."""
RETRY_AFTER = 2.0
NETWORK_BITS = 64
"""One customer of a provider commonly has this much of an IPv6 address for itself."""


class BodyBudget:
    """The budget of one front process."""

    def __init__(self, limit: int) -> None:
        self._limit, self._share = limit, limit // SHARE
        self._held = 0
        self._by_owner: Counter[str] = Counter()

    def take(self, address: str, size: int) -> None:
        """Count bytes that came from an address. Raises `Overloaded`, and `TooMany` when that address has its share."""
        owner = owner_of(address)
        if self._by_owner[owner] + size > self._share:
            raise TooMany("This address is sending too many large bodies at once.", retry_after=RETRY_AFTER)
        if self._held + size > self._limit:
            raise Overloaded("Too many large bodies are being sent at once.", retry_after=RETRY_AFTER)
        self._held += size
        self._by_owner[owner] += size

    def give_back(self, address: str, size: int) -> None:
        """Note that these bytes are held no more."""
        owner = owner_of(address)
        self._held -= size
        self._by_owner[owner] -= size
        if self._by_owner[owner] <= 0:
            del self._by_owner[owner]


def owner_of(address: str) -> str:
    """Whose an address is: itself, or the network of an IPv6 address that one customer has."""
    if ":" not in address:
        return address
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(found.ipv4_mapped or ipaddress.IPv6Network((found, NETWORK_BITS), strict=False))
