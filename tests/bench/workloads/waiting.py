"""Handlers that wait a second, as for a model's answer, on one worker process."""

from tests.bench.stage import Stage

WAITING = 300
BLOCKING = 100


def slow_async(stage: Stage) -> None:
    """Chats of as many sessions at once, each waiting a second without holding a thread."""
    _all_at_once(stage, "wait", stage.count(WAITING))


def slow_sync(stage: Stage) -> None:
    """The same where each holds its thread for the second."""
    _all_at_once(stage, "block", stage.count(BLOCKING))


def _all_at_once(stage: Stage, text: str, count: int) -> None:
    requests = [stage.contender.chat(f"s{n}", [text]) for n in range(count)]
    with stage.measured(text) as window:
        outcome = window.load(requests, count, keep_bodies=True)
    stage.record("seconds", outcome.seconds)
    answered = sum(f"You said {text}.".encode() in body for body in outcome.bodies)
    if answered != count:
        stage.problem(f"{answered} of {count} chats got their reply")
