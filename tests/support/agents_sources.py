"""An agent with a hook for every sender that Pumice knows, and one with hooks that share an address."""

import asyncio
from pathlib import Path

from pumice import Agent, body, hook, query
from pumice.sources import hmac, shopify, slack, stripe
from tests.support.senders import SENDERS


class Counting(Agent):
    class State(Agent.State):
        runs: int = 0


def taking(name, source, session):
    """A method that takes a sender's deliveries; it fails while the file that the query names is there."""

    def take(self, request):
        if (flag := request.query.get("broken")) and Path(flag).exists():
            raise RuntimeError("what the handler needs is away")
        self.state.runs += 1
        return {
            "runs": self.state.runs,
            "event": request.event,
            "deliveryId": request.delivery_id,
            "source": request.source,
            "size": len(request.body),
            "headers": sorted(key.lower() for key, _ in request.headers),
        }

    take.__name__ = name
    return hook(name, source=source, session=session)(take)


HOOKS = {name.replace("-", "_"): taking(name, one.source, query("s")) for name, one in SENDERS.items()}
Senders = type("Senders", (Counting,), {**HOOKS, "__module__": __name__})


class Shared(Agent):
    """Methods that share an address, and hooks that want their answers in other ways."""

    class State(Agent.State):
        paid: int = 0
        other: int = 0
        rest: int = 0

    @hook("billing", source=stripe("STRIPE_SECRET"), session=body("data.object.customer"), events=["invoice.*"])
    def invoice(self, request):
        self.state.other += 1
        return {"by": "invoice"}

    @hook("billing", source=stripe("STRIPE_SECRET"), session=body("data.object.customer"), events=["invoice.paid"])
    def paid(self, request):
        self.state.paid += 1
        return {"by": "paid"}

    @hook("orders", source=shopify("SHOPIFY_SECRET"), session=body("customer.id"), events=["orders/*"])
    def orders(self, request):
        return {"event": request.event}

    @hook("late", source=slack("SLACK_SECRET"), session="all")
    async def late(self, request):
        await asyncio.sleep(6)

    @hook("at-once", source=slack("SLACK_SECRET"), session="all", respond="accepted")
    def at_once(self, request): ...

    @hook("plain-200", session="all", respond="accepted", accepted_status=200)
    def plain(self, request): ...

    @hook("nothing", source=slack("SLACK_SECRET"), session="all")
    def nothing(self, request): ...

    @hook("unset", source=hmac("NOBODY_SET_THIS", header="X-Signature"), session="all")
    def unset(self, request): ...

    @hook("wrong", source=hmac("A_WRONG_SECRET", header="X-Signature", key="base64"), session="all")
    def wrong(self, request): ...

    @hook("ordered", source=stripe("STRIPE_SECRET"), session=body("data.object.customer"), order="event")
    def ordered(self, request):
        self.state.rest += not request.stale
        return {"stale": request.stale}

    @hook("put", session="all", methods=("PUT", "PATCH", "DELETE"))
    def put(self, request):
        return {"method": request.method}
