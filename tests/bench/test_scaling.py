"""What is said of several machines follows from the measured shares, and each has addresses of its own."""

import sys

import pytest

from tests.bench.scaling.bottleneck import Row, findings
from tests.bench.scaling.contacts import parse
from tests.bench.scaling.machine import MOST, Place
from tests.bench.stack.usage import Usage


def row(machines: int = 1, cores: int = 8, **milliseconds: float) -> Row:
    """A burst of 1,000 webhooks in a second, with these costs of each role."""
    return Row(machines, 1_000, 1_000.0, 900.0, Usage(1.0, cores, milliseconds, milliseconds))


def test_each_machine_has_a_network_and_names_of_its_own() -> None:
    places = [Place(number) for number in range(1, MOST + 1)]
    assert (places[1].host, places[1].address) == ("10.77.2.1", "10.77.2.2")
    for names in zip(*((place.name, place.link, place.host, place.address) for place in places), strict=True):
        assert len(set(names)) == MOST
    assert max(len(place.link) for place in places) < 16  # what Linux allows


@pytest.mark.parametrize(
    ("postgres", "valkey", "nearest"),
    [(0.2, 0.01, "Postgres"), (0.2, 0.1, "Valkey"), (0.1, 0.0, "Postgres")],
)
def test_the_next_bottleneck_is_the_shared_server_that_is_full_first(
    postgres: float, valkey: float, nearest: str
) -> None:
    text = "\n".join(findings([row(front=0.5, worker=0.3, postgres=postgres, valkey=valkey)]))
    assert f"Next bottleneck: {nearest}." in text


def test_it_says_at_what_rate_and_what_fills_it() -> None:
    rows = [row(1, front=0.4, postgres=0.1), row(3, front=0.5, worker=0.25, postgres=0.2, valkey=0.01)]
    held, growth, nearest, needed, after = findings(rows)
    assert held == "With 3 machines, saturated was: nothing; the rate is bound by waiting."
    assert growth.startswith("CPU a webhook, from 1 machine to 3: front 0.400 -> 0.500 ms, ")
    assert nearest.endswith("0.200 ms of CPU a webhook, so 40,000 webhooks/s on 8 cores like these that it can use.")
    assert needed.startswith("To fill it takes 20.0 cores of fronts and 10.0 cores of workers")
    assert (
        after == "After it, Valkey: 0.010 ms of CPU a webhook, so 100,000 webhooks/s on the one core that it can use."
    )


def test_a_full_host_and_clocks_that_stand_still_are_told() -> None:
    assert findings([row(cores=1, front=0.9)]) == [
        "With 1 machine, all 1 cores of the host were full: more machines only share them out.",
        "The run was too short to tell the next bottleneck: the shared servers' clocks have not moved.",
    ]


@pytest.mark.skipif(sys.byteorder == "big", reason="the kernel prints addresses in the machine's own order")
def test_only_what_a_machine_has_called_elsewhere_counts() -> None:
    table = """sl  local_address rem_address   st
        0: 02014D0A:A000 01014D0A:1538 01 rest
        1: 02014D0A:A001 01014D0A:1539 06 rest
        2: 02014D0A:1F40 01014D0A:C000 01 rest
        3: 0100007F:A002 0100007F:0050 01 rest
        4: 0000000000000000FFFF000002014D0A:A003 0000000000000000FFFF000001014D0A:18EB 01 rest
    """.rstrip()
    assert parse(table, 8000) == {("10.77.1.1", 5432), ("10.77.1.1", 6379)}
