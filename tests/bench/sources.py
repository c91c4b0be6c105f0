"""`python -m tests.bench.sources`: what verifying a webhook costs, by scheme, on a front and a worker.

Each scheme's burst is compared with the same requests to a hook that verifies nothing, in turn and several times, so
that a noisy machine is the same to both. Printed are the ratio (1 is as fast as without) and the check by itself.
"""

import statistics
import time

from pumice import Agent, hook, query
from pumice.agents.requests import Request
from pumice.agents.sources import Received, Source
from pumice.cli.database import upgrade_schema
from pumice.sources import unsigned
from pumice.sources.catalog import catalog
from tests.bench.loader.http import Load
from tests.bench.loader.pool import run_load
from tests.bench.stack.servers import servers
from tests.support.stack import running_stack

REQUESTS, ROUNDS, CONNECTIONS, SESSIONS = 1_000, 3, 32, 500
CHECKS = 2_000
MEASURED = {
    "github": "HMAC of the body",
    "stripe": "timestamped HMAC",
    "openai": "Standard Webhooks",
    "twilio": "URL and form",
    "square": "URL and body",
    "discord": "Ed25519",
    "sendgrid": "ECDSA",
    "wise": "RSA",
    "gitlab": "token",
    "postmark": "basic",
    "mailgun": "signed fields",
}
SOURCES = {
    one.source.name: one.source for one in catalog() if one.source.name in MEASURED and "signing" not in one.call
}
AGENTS = "bench=tests.bench.sources:Sources"


def counting(name: str, source: Source) -> object:
    """A hook that answers at once, and counts."""

    def take(self: Agent, request: Request) -> None:
        self.state.count += 1

    take.__name__ = name
    return hook(name, source=source, session=query("s"), respond="accepted")(take)


class Counted(Agent):
    """Counts."""

    class State(Agent.State):
        """How many came."""

        count: int = 0


HOOKS = {name: counting(name, source) for name, source in SOURCES.items()}
PLAIN = {f"{name}_plain": counting(f"{name}_plain", unsigned(source)) for name, source in SOURCES.items()}
Sources = type("Sources", (Counted,), {**HOOKS, **PLAIN, "__module__": __name__})


def main() -> None:
    """Measure, and print a line for each scheme."""
    keys = {name: source.scheme.new_secret() for name, source in SOURCES.items()}
    with servers() as found:
        url = found.create_database("bench_sources")
        upgrade_schema(url)
        environ = {"DATABASE_URL": url, "REDIS_URL": found.redis_database(4), "QUEUE_LIMIT": "1000000"}
        environ |= {"AGENT_QUEUE_LIMIT": "10000000", "LOG_LEVEL": "warning"}
        environ |= {SOURCES[name].secrets[0]: held for name, (held, _) in keys.items()}
        with running_stack(environ, AGENTS) as stack:
            print(f"{'scheme':20} {'burst/plain':>12} {'check, µs':>10}")
            for name, what in MEASURED.items():
                ratios = [_ratio(stack.url, name, keys[name][1]) for _ in range(ROUNDS)]
                check = _check(name, *keys[name])
                print(f"{what:20} {statistics.median(ratios):12.3f} {check * 1e6:10.1f}", flush=True)


def _ratio(url: str, name: str, signing: str) -> float:
    """Accepted a second with the check, over those without it; which is first takes turns by the clock's parity."""
    order = [name, f"{name}_plain"]
    rates = {hook_name: _rate(url, hook_name, name, signing) for hook_name in order}
    back = {hook_name: _rate(url, hook_name, name, signing) for hook_name in reversed(order)}
    return (rates[name] + back[name]) / (rates[order[1]] + back[order[1]])


def _rate(url: str, hook_name: str, name: str, signing: str) -> float:
    requests = [_wire(_made(url, hook_name, name, signing, number)) for number in range(REQUESTS)]
    host, _, port = url.removeprefix("http://").partition(":")
    outcome = run_load(Load((host, int(port)), requests, CONNECTIONS))
    if outcome.succeeded != len(requests):
        raise SystemExit(f"{hook_name}: {dict(outcome.statuses)}")
    return len(requests) / outcome.seconds


def _made(url: str, hook_name: str, name: str, signing: str, number: int) -> Request:
    path = f"/v1/agents/bench/hooks/{hook_name}?s=s{number % SESSIONS}"
    now, source = time.time(), SOURCES[name]
    request = source.sample.request(path, now)
    request.headers["Host"] = url.removeprefix("http://")
    return source.scheme.sign(Received(request, url + request.path, now), signing)


def _wire(request: Request) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in request.headers)
    head = f"{request.method} {request.path} HTTP/1.1\r\n{headers}Content-Length: {len(request.body)}\r\n\r\n"
    return head.encode() + request.body


def _check(name: str, held: str, signing: str) -> float:
    """Seconds that one check takes."""
    received = Received(_made("http://localhost", name, name, signing, 1), "", time.time())
    url = "http://localhost" + received.request.path
    begun = time.perf_counter()
    for _ in range(CHECKS):
        if SOURCES[name].scheme.refusal(received._replace(url=url), [held]) is not None:
            raise SystemExit(f"{name} is not genuine")
    return (time.perf_counter() - begun) / CHECKS


if __name__ == "__main__":
    main()
