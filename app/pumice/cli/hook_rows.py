"""Hooks as `pumice hooks list` shows them."""

from collections.abc import Mapping
from typing import Any

from pumice.agents.sources import Source, wrong_secrets
from pumice.agents.spec import AgentSpec
from pumice.settings import secrets_of


def hook_rows(specs: Mapping[str, AgentSpec]) -> list[dict[str, Any]]:
    """One row for each address of each agent."""
    return [
        {
            "agentId": spec.id,
            "hook": address,
            "source": group[0].source.name if group[0].source is not None else None,
            "events": ", ".join(pattern for hook in group for pattern in hook.events) or None,
            "methods": sorted({method for hook in group for method in hook.methods}),
            "secret": _secret(group[0].source),
            "path": f"/v1/agents/{spec.id}/hooks/{address}",
        }
        for spec in specs.values()
        for address, group in spec.addresses.items()
    ]


def _secret(source: Source | None) -> str | None:
    """Whether the secrets are there, and which are not; None where none is needed."""
    if source is None or not (source.secrets or source.handshakes):
        return None
    wrong = dict(wrong_secrets(source, secrets_of))
    if wrong:
        return "; ".join(f"{variable} {what}" for variable, what in wrong.items())
    return f"{', '.join(source.secrets)} present" if source.secrets_from(secrets_of) else "handed over by the sender"
