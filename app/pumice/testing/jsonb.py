"""What Postgres makes of a state: the JSON text that a jsonb column gives back for the text that was stored."""

import json
from decimal import Decimal
from typing import Any

import orjson


def as_jsonb(text: str) -> str:
    """The text as a jsonb column gives it back: keys in its order, numbers as exact decimals without an exponent."""
    value = json.loads(text, object_pairs_hook=_object, parse_int=_number, parse_float=_number)
    return orjson.dumps(value).decode()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in jsonb's order: shorter keys first, those of one length by their bytes; the last of equal keys."""
    return dict(sorted(dict(pairs).items(), key=lambda pair: (len(pair[0].encode()), pair[0].encode())))


def _number(text: str) -> orjson.Fragment:
    """A number as Postgres's numeric writes it: 1e3 is 1000, 1.50 stays 1.50, and there is no -0."""
    number = Decimal(text)
    return orjson.Fragment(format(number.copy_abs() if number.is_zero() else number, "f"))
