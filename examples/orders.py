"""An order desk: a shop's webhooks fill it, chats ask it, a job reminds.

session = testing.session(OrderDesk)
session.hook("order-update", json={"id": "7", "status": "sent", "customer": {"id": "c1"}})
assert session.chat("hi") == "You have 1 orders."
"""

import logging
import os
from collections.abc import Sequence
from typing import Any

from pumice import Agent, Message, Request, body, hook, job
from pumice.sources import hmac, unsigned

# The shop signs what it sends with a secret that it shares with us. Without one every request is believed: good enough
# for trying it out, and for nothing else.
SHOP = hmac("SHOP_SECRET", header="X-Shop-Signature", name="shop")
SOURCE = SHOP if os.environ.get("SHOP_SECRET") else unsigned(SHOP)


class OrderDesk(Agent):
    """One session is one customer."""

    class State(Agent.State):
        """What is kept of a customer. It is saved when a turn succeeds, and as it was before when one fails."""

        orders: dict[str, str] = {}

    state: State  # tells editors and type checkers what `self.state` is

    def reply(self, messages: Sequence[Message]) -> str:  # noqa: ARG002 (this desk always says the same)
        """Answer a chat. An iterator of strings would be streamed."""
        return f"You have {len(self.state.orders)} orders."

    # The shop sends {"id": …, "status": …, "customer": {"id": …}} to /v1/agents/<agent>/hooks/order-update.
    # `session` says whose session it is; a session that does not exist yet is made.
    @hook("order-update", source=SOURCE, session=body("customer.id"))
    def order_update(self, request: Request) -> dict[str, Any]:
        """Keep an order's status. What is returned is the response."""
        self.state.orders[request.json["id"]] = request.json["status"]
        return {"stored": True}

    @job("0 9 * * *", timezone="America/New_York")
    def remind(self) -> None:
        """Every morning, in every session: tell whoever is connected to it."""
        self.send({"reminder": len(self.state.orders)})

    @staticmethod
    @job("0 0 * * *")
    def nightly() -> None:
        """Once a night, for no session in particular."""
        logging.getLogger(__name__).info("the day is over")
