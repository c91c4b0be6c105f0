"""The ceiling: what Flask on gunicorn answers when it does nothing."""

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from tests.bench.contenders.contender import Contender, gunicorn
from tests.bench.loader.http import post
from tests.bench.loader.sockets import handshake


class Echo(Contender):
    """A front without a store."""

    name: ClassVar[str] = "echo"

    def offers(self, workload: str) -> bool:
        """Take part in what needs no store."""
        return workload in {"accept", "chat", "sockets"}

    def prepare(self) -> None:
        """Need nothing."""

    def commands(self, fronts: int, workers: int) -> dict[str, list[list[str]]]:
        """Start the front only."""
        return {"front": [gunicorn("tests.bench.contenders.echo_app:app", self.port, fronts)]}

    def environment(self, fronts: int) -> dict[str, str]:
        """Need nothing."""
        return {}

    def hook(self, fields: dict[str, Any]) -> bytes:
        """Post the same body as to the others."""
        return post("/echo", fields)

    def chat(self, session_id: str, messages: Sequence[str]) -> bytes:
        """Post the same body as to the others."""
        return post("/echo", chat_body(session_id, messages))

    def socket(self, session_id: str) -> bytes:
        """Open the only socket route."""
        return handshake("/socket")

    def said(self, text: str) -> bytes:
        """Say what comes back as a reply."""
        return json.dumps({"type": "message", "content": text}).encode()


def chat_body(session_id: str, messages: Sequence[str]) -> dict[str, Any]:
    """Return the body of a chat request, the same for every contender."""
    return {"sessionId": session_id, "messages": [{"role": "user", "content": text} for text in messages]}
