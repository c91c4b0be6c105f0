"""How the states of an exported session are written: in full, or as the difference from the last one (RFC 6902)."""

from typing import Any

from pumice.agents.exact_json import to_text
from pumice.agents.json_patch import PatchError, apply_patch, diff

SMALL_STATE = 512
"""Characters of a state up to which it is written in full."""


class LastState:
    """The last state that a file told: the next one is written as its difference from it, where that is shorter."""

    def __init__(self) -> None:
        self._value: Any = None
        self._text: str | None = None

    def told(self, point: dict[str, Any]) -> dict[str, Any]:
        """A point as it is written."""
        if "state" not in point:
            return point
        state, before, known = point["state"], self._value, self._text
        text = to_text(state)
        self._value, self._text = state, text
        if known is None or (len(text) <= SMALL_STATE and text != known):
            return point
        patch = [] if text == known else diff(before, state)
        if len(patch) and len(to_text(patch)) >= len(text):
            return point
        return {("statePatch" if key == "state" else key): (patch if key == "state" else point[key]) for key in point}

    def read(self, point: dict[str, Any]) -> dict[str, Any]:
        """A point with its state. Raises `PatchError`."""
        if "statePatch" in point:
            patch = point["statePatch"]
            if not isinstance(patch, list):
                raise PatchError("must be a list of operations")
            state = apply_patch(self._value, patch)
            point = {("state" if key == "statePatch" else key): point[key] for key in point if key != "state"}
            point["state"] = state
        if "state" in point:
            self._value = point["state"]
        return point
