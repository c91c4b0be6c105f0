"""Attack a front with bad requests: `python -m tests.attacks --count 100000 --seed 1`.

Starts Postgres, Redis, a front and a worker, and stops them at the end. The exit status says whether all was well.
"""

import argparse
import json
import sys
import urllib.request

from tests.attacks.attack import attack
from tests.attacks.template import AGENT, templates
from tests.attacks.watch import Watch
from tests.support.servers import outage_stack

SERVED = f"{AGENT}=tests.support.agents_openapi:Anything"


def main() -> int:
    """Run the command. Returns its exit status."""
    options = _options()
    with outage_stack(SERVED, REPLY_TIMEOUT="5", LOG_LEVEL="info") as running:
        stack = running.stack
        watch = Watch(stack, AGENT)
        with urllib.request.urlopen(f"{stack.url}/openapi.json") as answer:
            found = templates(json.load(answer), *stack.keys[AGENT])
        verdicts = attack(stack.url, found, options.count, options.seed, options.threads)
        complaints = [*verdicts.wrong, *watch.complaints()]
    print(f"{options.count} requests of {len(found)} kinds, by status: {dict(sorted(verdicts.seen.items()))}")  # noqa: T201
    print(f"the front grew by {watch.growth / 1e6:.0f} MB")  # noqa: T201
    for complaint in complaints[: options.show]:
        print(complaint)  # noqa: T201
    print(f"{len(complaints)} answered wrongly")  # noqa: T201
    return bool(complaints)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.attacks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="how many requests")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same requests")
    parser.add_argument("--threads", type=int, default=8, help="connections at once")
    parser.add_argument("--show", type=int, default=20, help="how many wrong answers are shown")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
