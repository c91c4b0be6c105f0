"""Metrics of how this front process delivers to its clients."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from pumice.web.http.front import Front


class DeliveryCollector:
    """Reads them when they are asked for. They are of one front process, not of the whole installation."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def describe(self) -> list[Metric]:
        """Nothing yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics."""
        front = self._front
        yield _gauge("pumice_front_streams", "Streams and sockets open here", front.subscriber.watches)
        yield _gauge("pumice_front_backlog_bytes", "Bytes that wait here for slow clients", front.backlog.bytes)
        yield _gauge("pumice_front_stuck", "Threads that deliver here and are stuck", len(front.watchdog.stuck))
        slow = CounterMetricFamily("pumice_front_clients_cut", "Clients cut off here: too slow, or not reading")
        slow.add_metric([], front.backlog.cut + front.writes.ended)
        yield slow


def _gauge(name: str, meaning: str, value: int) -> Metric:
    gauge = GaugeMetricFamily(name, meaning)
    gauge.add_metric([], value)
    return gauge
