"""Who gets the places of those deliveries that are sent at once: agents and endpoints share them fairly."""

from collections import deque
from collections.abc import Mapping, Sequence


def share_out(ready: Sequence[tuple[str, str]], running: Mapping[str, int], free: int, *, each: int) -> dict[str, int]:
    """How many places each of these endpoints may take, of `free` ones. `ready` has endpoints with their agents.

    Place after place goes to the agent that has the fewest, as long as it has fewer than are left: however many hang,
    there is room for one more agent. Its endpoints take turns; none gets more than `each`.
    """
    waiting: dict[str, deque[str]] = {}
    for endpoint, agent in ready:
        waiting.setdefault(agent, deque()).append(endpoint)
    taken = {agent: running.get(agent, 0) for agent in waiting}
    given: dict[str, int] = {}
    while waiting:
        agent = min(waiting, key=lambda one: taken[one])
        if taken[agent] >= free:
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
    return [agent for agent, count in running.items() if count >= free]
