"""What a strict type checker refuses. An error that is expected and does not come fails the check as well."""

from collections.abc import Sequence

from pumice import Agent, Message, Request, Response, Retry, body, handler, hook, job, signature, testing, tool


class Desk(Agent):
    class State(Agent.State):
        orders: dict[str, int] = {}

    state: State

    on_busy = "drop"  # type: ignore[assignment]
    history = "all"  # type: ignore[assignment]
    middleware = (print,)  # type: ignore[assignment]

    def reply(self, messages: Sequence[Message]) -> int:  # type: ignore[override]
        return len(messages)

    @hook("order", respond="later")  # type: ignore[arg-type]
    def order(self, request: Request) -> Response:
        self.state.orders["7"] = "open"  # type: ignore[assignment]
        self.state.order = 7  # type: ignore[attr-defined]
        return Response({}, "200")  # type: ignore[arg-type]

    @hook("body", session=7)  # type: ignore[arg-type]
    def fixed(self, request: Request) -> None: ...

    @hook("verified", verify=signature("X-Signature"))  # type: ignore[call-arg]
    def verified(self, request: Request) -> None: ...

    @hook("wrong-request", session=body("customer"))  # type: ignore[type-var]
    def wrong_request(self, request: dict[str, str]) -> None: ...

    @hook("no-request")  # type: ignore[type-var]
    def too_much(self, request: Request, customer: str) -> None: ...

    @job("* * * * *", overlap="drop")  # type: ignore[arg-type]
    def often(self) -> None: ...

    @job(60)  # type: ignore[arg-type]
    def every_minute(self) -> None: ...

    @job(every="1h")  # type: ignore[arg-type]
    def hourly(self) -> None: ...

    @job(every=60, anchor="now", catch_up="some")  # type: ignore[arg-type]
    def anchored(self) -> None: ...

    @job("* * * * *", where="plan = 'pro'", temporary="yes")  # type: ignore[arg-type]
    def chosen(self) -> None: ...

    @job("* * * * *")  # type: ignore[type-var]
    def asks(self, customer: str) -> None: ...

    @handler(retries="many")  # type: ignore[arg-type]
    def ask(self) -> None:
        self.schedule("tomorrow", "ask")  # type: ignore[arg-type]
        self.call(7, "ask")  # type: ignore[arg-type]
        raise Retry(after="soon")  # type: ignore[arg-type]

    @tool
    def price(self, article: str) -> float:
        return len(article)


hook(len)  # type: ignore[arg-type]
tool(name=7)  # type: ignore[call-overload]


def test_desk(pumice_session: testing.SessionFactory) -> None:
    desk = pumice_session(dict)  # type: ignore[arg-type]
    desk.chat(7)  # type: ignore[arg-type]
    assert desk.chat("hi") == 7  # type: ignore[comparison-overlap]
    Desk().price(7)  # type: ignore[arg-type]
