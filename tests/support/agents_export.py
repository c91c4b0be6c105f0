"""An agent with personal data, which its exports leave out."""

from typing import Any

from pumice import Agent


class Clinic(Agent):
    """Keeps what patients say. A patient who says `break` is one whose line `redact` spoils."""

    class State(Agent.State):
        patient: str = ""
        visits: int = 0
        number: int = 2**70

    def reply(self, messages: Any) -> str:
        self.state.patient = messages[-1].text
        self.state.visits += 1
        if self.state.patient == "raise":
            raise ValueError(self.state.patient)
        return f"visit {self.state.visits}"

    @classmethod
    def redact(cls, document: dict[str, Any]) -> dict[str, Any] | None:
        if document.get("content") == "break":
            return {**document, "seq": "first"}
        if document.get("content") == "explode":
            raise SystemExit(3)
        if document.get("type") == "message" and document["role"] == "user":
            document["content"] = "(hidden)"
        if document.get("type") == "interaction":
            document["payload"] = {"messages": []}
        if document.get("type") == "metadata":
            return None
        if (document.get("point") or {}).get("state"):
            document["point"]["state"]["patient"] = "(hidden)"
        return document
