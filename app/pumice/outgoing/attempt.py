"""One attempt to deliver an event: address, request, and what its answer means."""

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pumice.errors import PumiceError
from pumice.outgoing.addresses import Info, Network, Target, allowed, look_up, look_up_beside
from pumice.outgoing.http_post import SUCCESS, Answer, post
from pumice.outgoing.schedule import GONE, delay_after, hold_of
from pumice.outgoing.signatures import body_of, headers_of
from pumice.sessions.outgoing_steps import Claimed, Recorded

TIME_LIMIT = 15.0
"""Seconds of an attempt, from the look-up of the host to the answer."""
LONGEST_EXCERPT = 200
"""Characters of an answer's body that are told."""


class Sender:
    """Makes attempts. `private` has the networks that are allowed although they are not public."""

    def __init__(
        self,
        private: Sequence[Network],
        *,
        context: ssl.SSLContext | None = None,
        resolve: Callable[[Target], list[Info]] = look_up,
    ) -> None:
        self._private = private
        self._context = context or ssl.create_default_context()
        self._resolve = resolve

    async def attempt(self, one: Claimed) -> Recorded:
        """Make one attempt. Returns what is to be recorded of it, whatever it came to."""
        began, now = time.monotonic(), datetime.now(UTC)
        try:
            async with asyncio.timeout(TIME_LIMIT):
                answer, problem = await self._post(one, now), None
        except TimeoutError:
            answer, problem = None, f"no answer within {TIME_LIMIT:.0f} s"
        except PumiceError as error:
            answer, problem = None, str(error)
        except Exception as error:  # one endpoint's oddity must not end the worker's sending
            answer, problem = None, f"{type(error).__name__}: {error}"
        return told(one, answer, problem, now, time.monotonic() - began)

    async def _post(self, one: Claimed, now: datetime) -> Answer:
        target = Target.of(one.url)
        addresses = allowed(target, await look_up_beside(target, self._resolve), self._private)
        body = body_of(one)
        return await post(target, addresses, headers_of(one, body, now), body, self._context)


def told(one: Claimed, answer: Answer | None, problem: str | None, at: datetime, seconds: float) -> Recorded:
    """What came of an attempt, and when the next is made."""
    status = None if answer is None else answer.status
    is_delivered = status in SUCCESS
    if answer is not None and not is_delivered:
        problem = _excerpt(answer)
    gone = status == GONE
    hold = None if answer is None else hold_of(answer.status, answer.headers.get("retry-after"))
    delay = None if is_delivered else 0.0 if gone else delay_after(one.attempts + 1)
    if delay is not None and hold is not None:
        delay = max(delay, hold)
    problem = None if is_delivered else _clean(problem or "")
    tried = {"at": at.isoformat(), "status": status, "error": problem, "seconds": round(seconds, 3)}
    return Recorded(
        event_id=one.event_id,
        endpoint_id=one.endpoint_id,
        claims=one.claims,
        is_delivered=is_delivered,
        gone=gone,
        delay=delay,
        hold=hold,
        status=status,
        error=problem,
        tried=tried,
    )


def _excerpt(answer: Answer) -> str:
    text = answer.body.decode("utf-8", "replace").strip()
    return f"it answered {answer.status}" + (f": {text[:LONGEST_EXCERPT]}" if text else "")


def _clean(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)[: LONGEST_EXCERPT + 100]
