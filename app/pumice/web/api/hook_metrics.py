"""Metrics of what hooks received."""

from collections.abc import Iterator, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, Metric
from sqlalchemy import Row

from pumice.web.http.delivery_log import UNSELECTED


def hook_metrics(rows: Sequence[Row[Any]]) -> Iterator[Metric]:
    """Deliveries by agent, hook, event and status; and those for which a declared selector found no session."""
    deliveries = CounterMetricFamily(
        "pumice_deliveries", "Requests to hooks", labels=["agent", "hook", "event", "status"]
    )
    unselected = CounterMetricFamily(
        "pumice_hook_unselected", "Deliveries whose selector found no session", labels=["agent", "hook"]
    )
    missed: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.status == UNSELECTED:
            missed[row.agent_id, row.hook] = missed.get((row.agent_id, row.hook), 0) + row.n
        else:
            deliveries.add_metric([row.agent_id, row.hook, row.event, row.status], row.n)
    for (agent_id, hook), count in missed.items():
        unselected.add_metric([agent_id, hook], count)
    yield from (deliveries, unselected)
