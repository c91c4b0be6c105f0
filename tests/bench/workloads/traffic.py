"""Requests of the webhook kind, as bytes, made before the clock runs."""

from tests.bench.contenders.contender import Contender

BODY = 300
"""Bytes of a webhook's body, headers not counted."""


def events(contender: Contender, count: int, sessions: int) -> list[bytes]:
    """Return `count` webhook posts of 300 bytes, dealt in turn to `sessions` sessions."""
    bare = len('{"session":"s1234","n":12345,"filler":""}')
    filler = "x" * (BODY - bare)
    return [contender.hook({"session": f"s{n % sessions}", "n": n, "filler": filler}) for n in range(count)]
