"""A slice of the bad requests that `python -m tests.attacks` makes."""

from tests.attacks.attack import attack, made
from tests.attacks.template import AGENT, templates
from tests.attacks.watch import Watch

COUNT, SEED = 1_500, 7


def test_bad_requests_leave_the_front_as_it_was(stack, echo):
    found = templates(echo.http.get("/openapi.json").json(), *stack.keys[AGENT])
    watch = Watch(stack, AGENT)
    verdicts = attack(stack.url, found, COUNT, SEED)
    assert [*verdicts.wrong, *watch.complaints()] == []
    assert sum(verdicts.seen.values()) == COUNT
    assert echo.reply("x")


def test_a_seed_makes_the_same_requests(stack, echo):
    found = templates(echo.http.get("/openapi.json").json(), *stack.keys[AGENT])
    first = [made(found, SEED, number) for number in range(200)]
    assert first == [made(found, SEED, number) for number in range(200)]
    assert first != [made(found, SEED + 1, number) for number in range(200)]
