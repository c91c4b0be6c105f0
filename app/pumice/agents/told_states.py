"""How the states of an exported session are written: in full, or as the difference from the last one (RFC 6902)."""

from typing import Any

from pumice.agents.exact_json import to_text
from pumice.agents.json_patch import PatchError, apply_patch, diff

SMALL_STATE = 512
"""Characters of a state up to which the next one is written in full, unless it is the same."""


class LastState:
    """The last state that a file told: the next one is written as its difference from it, where that is shorter."""

    def __init__(self) -> None:
        self._value: Any = None
        self._size: int | None = None

    def told(self, point: dict[str, Any]) -> dict[str, Any]:
        """A point as it is written."""
        if "state" not in point:
            return point
        state, before = point["state"], self._value
        self._value = state
        if self._size is not None:
            patch = diff(before, state)
            if not patch or (self._size > SMALL_STATE and len(to_text(patch)) < self._size):
                return {
                    ("statePatch" if key == "state" else key): (patch if key == "state" else value)
                    for key, value in point.items()
                }
        self._size = len(to_text(state))
        return point

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
