"""What turns run: an agent's methods, with how each is reached and limited."""

from dataclasses import dataclass, field
from typing import Any

from pumice.agents.declare import Policy
from pumice.agents.selectors import NO_SELECTOR, Selector, as_selector
from pumice.agents.sources import Source
from pumice.errors import DeclarationError

LONGEST = 86_400 * 30
"""Most seconds that a policy may name."""
MOST_RETRIES = 1_000


@dataclass(frozen=True)
class Handler:
    """A method that turns run: its attribute, whether it is static or async, and its policy."""

    attribute: str
    policy: Policy
    static: bool = False
    is_async: bool = False


@dataclass(frozen=True)
class Hook(Handler):
    """A handler served as a webhook.

    name: by which its interactions find it again: its address's, or `address:method` where several methods share that.
    """

    name: str = ""
    address: str = ""
    session: Selector = field(default_factory=lambda: as_selector(None))
    source: Source | None = None
    events: tuple[str, ...] = ()
    by_event_time: bool = False
    methods: tuple[str, ...] = ("GET", "POST")
    accepts: bool = False
    accepted_status: int | None = None
    verify: Selector | None = None
    dedupe: Selector | None = None

    @property
    def selects(self) -> bool:
        """Whether it says whose its deliveries are: one without a selector makes temporary sessions on purpose."""
        return self.session.name != NO_SELECTOR


def checked_policy(policy: Policy, where: str) -> Policy:
    """The policy as it was declared. Raises `DeclarationError` for what can't be."""
    for name in ("timeout", "backoff", "backoff_limit"):
        value = getattr(policy, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
            raise DeclarationError(where, f"{name} must be a number of seconds, 0 to {LONGEST}, not {value!r}")
    if policy.timeout == 0:
        raise DeclarationError(where, "timeout must be more than 0 seconds")
    if (
        isinstance(policy.retries, bool)
        or not isinstance(policy.retries, int)
        or not 0 <= policy.retries <= MOST_RETRIES
    ):
        raise DeclarationError(where, f"retries must be a number from 0 to {MOST_RETRIES}, not {policy.retries!r}")
    kinds: Any = policy.retry_on
    if not isinstance(kinds, tuple) or not all(isinstance(k, type) and issubclass(k, BaseException) for k in kinds):
        raise DeclarationError(where, "retry_on must be a tuple of exception classes")
    return policy
