"""The time at which a request was signed: what is too old, or of the future, may be somebody's copy of it."""

from datetime import UTC, datetime
from typing import Literal, TypeAlias

Unit: TypeAlias = Literal["seconds", "milliseconds", "iso"]


def write_time(now: float, unit: Unit) -> str:
    """The time as a sender writes it. now: seconds since 1970."""
    if unit == "iso":
        return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(int(now * 1000) if unit == "milliseconds" else int(now))


def time_refusal(text: str, unit: Unit, now: float, tolerance: float) -> str | None:
    """Why a request signed at this time is not believed now; None where it is. tolerance: seconds."""
    at = _seconds(text, unit)
    if at is None:
        return f"its timestamp is none: {text[:40]!r}"
    age = now - at
    if age > tolerance:
        return f"its timestamp is {age:.0f} s old, and {tolerance:.0f} are allowed"
    if age < -tolerance:
        return f"its timestamp is {-age:.0f} s ahead, and {tolerance:.0f} are allowed"
    return None


def _seconds(text: str, unit: Unit) -> float | None:
    try:
        if unit == "iso":
            at = datetime.fromisoformat(text)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
        if not text.isascii() or not text.isdigit() or len(text) > len("1000000000000000"):
            return None
        return int(text) / (1000 if unit == "milliseconds" else 1)
    except (ValueError, OverflowError):
        return None
