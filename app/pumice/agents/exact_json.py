"""JSON in which whole numbers of any size are exact, keys keep their order, and NaN is refused."""

import json
from typing import Any


def to_text(value: Any) -> str:
    """A value as JSON text, on one line. Raises `ValueError` for what JSON can't hold."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def from_text(text: str | bytes) -> Any:
    """The value of a JSON text; whole numbers of any size are exact. Raises `ValueError`."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
