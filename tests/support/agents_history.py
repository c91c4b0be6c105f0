"""An agent whose states are easy to tell apart."""

from typing import Any

from pumice import Agent, hook, query


class Notebook(Agent):
    """Chats are commands: `set KEY VALUE`, `grow KEY SIZE`, `snapshot NAME`, `later`, `call SESSION`, `fail`."""

    history_points = 20

    class State(Agent.State):
        notes: dict[str, Any] = {}

    def reply(self, messages: Any) -> str:
        command, *rest = messages[-1].text.split()
        if command == "set":
            self.state.notes[rest[0]] = rest[1]
        elif command == "grow":
            self.state.notes[rest[0]] = "".join(f"{number:06}" for number in range(int(rest[1]) // 6))
        elif command == "snapshot":
            self.state.notes["named"] = rest[0]
            self.snapshot(rest[0], note="in a turn")
        elif command == "later":
            self.schedule(3600, "note", "late", "1")
        elif command == "call":
            self.call(rest[0], "note", "called", "by " + self.session_id)
            self.send({"called": rest[0]})
        elif command == "fail":
            self.state.notes["broken"] = True
            raise ValueError(command)
        return f"{len(messages)} messages, {len(self.state.notes)} notes"

    def note(self, key: str, value: Any) -> None:
        self.state.notes[key] = value

    @hook("note", session=query("session"))
    def noted(self, request: Any) -> dict[str, Any]:
        self.state.notes[request.query["key"]] = request.query["value"]
        return {"notes": len(self.state.notes)}

    @hook("number", session=query("session"))
    def numbered(self, request: Any) -> dict[str, Any]:
        number = request.json["number"]
        self.state.notes["number"] = number
        self.send({"number": number})
        self.call(self.session_id, "note", "called", number)
        return {"number": number, "more": number + 1}

    def receive(self, data: Any) -> Any:
        return {"back": data["number"]}
