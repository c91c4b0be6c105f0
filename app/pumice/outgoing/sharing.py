"""Who gets the places of those deliveries that are sent at once: agents and endpoints share them fairly."""

from collections import deque
from collections.abc import Mapping, Sequence

PART = 4
"""An agent gets no more while it has this part of the places that are left."""


def share_out(ready: Sequence[tuple[str, str]], running: Mapping[str, int], free: int, *, each: int) -> dict[str, int]:
    """How many places each of these endpoints may take, of `free` ones. `ready` has endpoints with their agents.

    Place after place goes to the agent that has the fewest, as long as that is less than a quarter of those left: what
    some agents leave hanging, leaves room for others. An agent's endpoints take turns; none gets more than `each`.
    """
    waiting: dict[str, deque[str]] = {}
    for endpoint, agent in ready:
        waiting.setdefault(agent, deque()).append(endpoint)
    taken = {agent: running.get(agent, 0) for agent in waiting}
    given: dict[str, int] = {}
    while waiting:
        agent = min(waiting, key=lambda one: taken[one])
        if _has_enough(taken[agent], free):
            break
        endpoint = waiting[agent].popleft()
        given[endpoint] = given.get(endpoint, 0) + 1
        if given[endpoint] < each:
            waiting[agent].append(endpoint)
        if not waiting[agent]:
            del waiting[agent]
        taken[agent] += 1
        free -= 1
    return given


def full(running: Mapping[str, int], free: int) -> list[str]:
    """Agents that get no place at the moment."""
    return [agent for agent, count in running.items() if _has_enough(count, free)]


def _has_enough(count: int, free: int) -> bool:
    return free <= 0 or count * PART >= free
