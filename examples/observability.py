"""Middleware that reports turns to Sentry and to OpenTelemetry.

For all agents of a deployment: MIDDLEWARE=examples.observability:sentry,examples.observability:opentelemetry
Or for one: `middleware = [sentry, opentelemetry]` in its class.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sentry_sdk
from opentelemetry import trace

from pumice import Turn


@contextmanager
def sentry(turn: Turn) -> Iterator[None]:
    """Report what a handler raises, with the session and interaction that it concerns."""
    with sentry_sdk.isolation_scope() as scope:
        scope.set_tag("pumice.agent", turn.agent_id)
        scope.set_tag("pumice.kind", turn.interaction.kind)
        context = {"session": turn.session_id, "interaction": turn.interaction.id, "attempt": turn.interaction.attempt}
        scope.set_context("pumice", context)
        try:
            yield
        except Exception as error:
            sentry_sdk.capture_exception(error)
            raise


@contextmanager
def opentelemetry(turn: Turn) -> Iterator[None]:
    """Make a span of each turn; an exception is recorded on it and sets its status."""
    name = f"{turn.agent_id} {turn.interaction.name or turn.interaction.kind}"
    attributes: dict[str, str | int] = {
        "pumice.session": turn.session_id,
        "pumice.interaction": turn.interaction.id,
        "pumice.kind": turn.interaction.kind,
        "pumice.attempt": turn.interaction.attempt,
    }
    with trace.get_tracer("pumice").start_as_current_span(name, attributes=attributes):
        yield
