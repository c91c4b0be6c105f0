"""All senders that Pumice knows, as the manual's table and the conformance tests go through them."""

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pumice.agents.sources import Source
from pumice.sources.senders import cloud, code, commerce, mail, messaging, payments, standard, work

ROOMS = (code, standard, payments, commerce, messaging, mail, work, cloud)
PAGE = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class Sender:
    """One sender. call: how an author writes its source; title, page: who it is, and where it says how it signs."""

    call: str
    source: Source
    title: str
    page: str


def catalog() -> list[Sender]:
    """Every sender, in the order of their names. Raises `MissingExtraError` where `cryptography` is missing."""
    return sorted(_senders(), key=lambda sender: sender.call)


def _senders() -> Iterator[Sender]:
    for room in ROOMS:
        for factory in room.SENDERS:
            variable = f"{factory.__name__.upper()}_SECRET"
            yield _sender(f'{factory.__name__}("{variable}")', factory(variable), factory)
    signing = code.gitlab(signing="GITLAB_SIGNING_TOKEN")
    yield _sender('gitlab(signing="GITLAB_SIGNING_TOKEN")', signing, code.gitlab)
    meta = messaging.meta("META_SECRET", verify_token="META_VERIFY_TOKEN")  # noqa: S106 (a variable's name)
    yield _sender('meta("META_SECRET", verify_token="META_VERIFY_TOKEN")', meta, messaging.meta)


def _sender(call: str, source: Source, factory: Callable[..., Source]) -> Sender:
    text = inspect.getdoc(factory) or ""
    page = PAGE.search(text)
    title = re.split(r"[.:;,]", text.partition("https://")[0], maxsplit=1)[0].strip()
    return Sender(call, source, title, page.group().rstrip(".") if page else "")
