"""A module with all that authors can declare. Strict mypy takes it, and knows each declared function's type."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any, Literal, assert_type

from pumice import (
    Agent,
    Conflict,
    History,
    Interaction,
    InvalidField,
    Message,
    Problem,
    Request,
    Response,
    Retry,
    Turn,
    body,
    handler,
    header,
    hook,
    job,
    query,
    signature,
    testing,
    tool,
)


def traced(turn: Turn) -> AbstractContextManager[None]:
    assert_type(turn.interaction, Interaction)
    return nullcontext()


async def customer(request: Request) -> str | None:
    found = request.query.get("customer")
    assert_type(found, str | None)
    return found


class OutOfStock(Problem):
    """The shop has none of this left."""

    status, slug = 409, "out-of-stock"


class Shop(Agent):
    class State(Agent.State):
        orders: dict[str, int] = {}
        status: Literal["open", "closed"] = "open"

    state: State

    history = 20
    on_busy = "merge"
    middleware = (traced,)

    def setup(self) -> None:
        self.state = self.State(orders={"first": 1})

    def reply(self, messages: Sequence[Message]) -> str:
        assert_type(self.messages, History)
        return f"{messages[-1].text}: {sum(self.state.orders.values())}"

    def receive(self, data: Any) -> dict[str, str]:
        return {"status": self.state.status}

    @hook("order", session=body("customer.id"), verify=signature("X-Signature", secret="s"), dedupe=header("X-Id"))
    def order(self, request: Request) -> dict[str, int]:
        if request.json["id"] in self.state.orders:
            raise Conflict(f"{self.session_id} has ordered that")
        self.schedule(timedelta(days=2), "ask", request.json["id"])
        return self.state.orders

    @hook("cancel", session=customer, methods=("POST",), respond="accepted", retries=2, retry_on=(OSError,))
    async def cancel(self, request: Request) -> Response:
        if not self.state.orders:
            raise Retry(after=5)
        return Response({"cancelled": True}, status=202)

    @staticmethod
    @hook("ping", session="front-desk")
    def ping(request: Request) -> str:
        return request.text

    @job("0 9 * * *", timezone="Europe/Berlin", overlap="skip")
    def remind(self) -> int:
        self.send({"orders": self.state.orders})
        return len(self.state.orders)

    @job(every=timedelta(hours=6), anchor="created", overlap="cancel", where={"state.status": "open"}, jitter=60)
    async def restock(self) -> list[str]:
        return list(self.state.orders)

    @job("0 8 * * *", timezone="session", catch_up="all", catch_up_window=86_400, temporary=True, time_limit=20)
    def greet(self) -> str:
        return self.state.status

    @job("0 0 * * *")
    @staticmethod
    def nightly() -> None: ...

    @tool
    def price(self, article: str) -> float:
        return float(len(article))

    @tool(name="stock-of")
    async def stock(self, article: str, *, shelf: int = 0) -> int:
        if not article:
            raise OutOfStock(article)
        return shelf

    @handler(timeout=10, retries=1)
    def ask(self, order: str) -> str:
        return self.call("head-office", "ask", order)


class Streaming(Agent):
    async def setup(self) -> None:
        self.log.info("a session begins")

    def reply(self, messages: Sequence[Message]) -> Iterator[str]:
        yield messages[-1].text


class AsyncStreaming(Agent):
    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        async def words() -> AsyncIterator[str]:
            yield "one"

        return words()


class AsyncGenerating(Agent):
    async def on_error(self, error: BaseException) -> None: ...

    async def reply(self, messages: Sequence[Message]) -> AsyncIterator[str]:
        yield "one"


class Complete(Agent):
    async def reply(self, messages: Sequence[Message]) -> Message:
        return Message("assistant", [{"type": "text", "text": "one"}])


async def declared_functions_keep_their_types(shop: Shop, request: Request) -> None:
    assert_type(shop.state.orders, dict[str, int])
    assert_type(shop.order(request), dict[str, int])
    assert_type(await shop.cancel(request), Response)
    assert_type(Shop.ping(request), str)
    assert_type(shop.remind(), int)
    assert_type(await shop.restock(), list[str])
    assert_type(shop.greet(), str)
    Shop.nightly()
    assert_type(shop.price("tea"), float)
    assert_type(await shop.stock("tea", shelf=2), int)
    assert_type(shop.ask("7"), str)
    assert_type(query("customer")(request), Any)


def test_shop(pumice_session: testing.SessionFactory) -> None:
    session = pumice_session(Shop, "ada", state=Shop.State(orders={"7": 1}))
    assert_type(session, testing.AgentSession)
    assert_type(session.chat("How many?"), str)
    answer = testing.session(Shop).hook("ping", data="x")
    assert_type(answer, testing.Answer)
    try:
        session.chat([{"role": 1}])
    except InvalidField as problem:
        assert_type(problem.status, int)
