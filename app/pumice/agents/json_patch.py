"""What changes one JSON value into another, as RFC 6902 tells it: `add`, `remove`, `replace`, and `move`.

The difference is exact: `apply_patch(old, diff(old, new))` is `new` with the same types (1 is not 1.0, nor true), whole
numbers of any size, and the same order of keys. A key that only changes its place is told as a `move` from its path to
the same path: whoever keeps keys in order takes it out and puts it at the end; for anyone else nothing happens.
"""

import marshal
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, TypeAlias

Operation: TypeAlias = dict[str, Any]
"""One step, as RFC 6902 writes it."""

MOST_PAIRS = 100_000
"""Equal pairs of items up to which two lists are aligned; beyond, they are compared place by place."""
PLAIN = 0
"""The version of marshal's format that knows no references: equal values are equal bytes, written and compared in C."""


class PatchError(ValueError):
    """An operation does not fit the document."""


def diff(old: Any, new: Any) -> list[Operation]:
    """The operations that make `new` of `old`."""
    found: list[Operation] = []
    _compare(old, new, "", found)
    return found


def apply_patch(document: Any, operations: Iterable[Operation]) -> Any:
    """The document changed by the operations; the one given stays as it is. Raises `PatchError`."""
    changed = _Copy(document)
    for operation in operations:
        changed.apply(operation)
    return changed.document


def pointer(path: str) -> list[str]:
    """The parts of a JSON pointer (RFC 6901). Raises `PatchError`."""
    if path and not path.startswith("/"):
        raise PatchError(f"{path!r} is no JSON pointer: it must begin with /")
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _compare(old: Any, new: Any, path: str, found: list[Operation]) -> None:
    kind = old.__class__
    if kind is new.__class__ and kind is dict:
        _compare_objects(old, new, path, found)
    elif kind is new.__class__ and kind is list:
        _compare_lists(old, new, path, found)
    elif not _same(old, new):
        found.append({"op": "replace", "path": path, "value": new})


def _compare_objects(old: dict[str, Any], new: dict[str, Any], path: str, found: list[Operation]) -> None:
    keys = list(new)
    if list(old) == keys:
        _compare_values(keys, old, new, path, found)
        return
    found.extend({"op": "remove", "path": _child(path, key)} for key in old if key not in new)
    kept = [key for key in old if key in new]
    settled = next((at for at, pair in enumerate(zip(kept, keys, strict=False)) if pair[0] != pair[1]), len(kept))
    for key in keys[settled:]:
        where = _child(path, key)
        if key in old:
            found.append({"op": "move", "from": where, "path": where})
        else:
            found.append({"op": "add", "path": where, "value": new[key]})
    _compare_values(kept, old, new, path, found)


def _compare_values(
    keys: Iterable[str], old: dict[str, Any], new: dict[str, Any], path: str, found: list[Operation]
) -> None:
    for key in keys:
        one, other = old[key], new[key]
        if not _same(one, other):
            _compare(one, other, _child(path, key), found)


def _compare_lists(old: list[Any], new: list[Any], path: str, found: list[Operation]) -> None:
    """Items that both have stay; what stands between them is changed place by place, then removed or added."""
    matches = _matches(old, new)
    first = second = 0
    for one, other in [*matches, (len(old), len(new))]:
        both = min(one - first, other - second)
        for step in range(both):
            _compare(old[first + step], new[second + step], f"{path}/{second + step}", found)
        at = second + both
        found.extend({"op": "remove", "path": f"{path}/{at}"} for _ in range(first + both, one))
        found.extend({"op": "add", "path": f"{path}/{place}", "value": new[place]} for place in range(at, other))
        first, second = one + 1, other + 1


def _matches(old: list[Any], new: list[Any]) -> list[tuple[int, int]]:
    """The places of equal items, ascending in both: as many as there can be (Hunt and Szymanski)."""
    most = min(len(old), len(new))
    start = next((at for at in range(most) if not _same(old[at], new[at])), most)
    left = most - start
    end = next((at for at in range(left) if not _same(old[-1 - at], new[-1 - at])), left)
    middle = _aligned(old[start : len(old) - end], new[start : len(new) - end])
    return [
        *((at, at) for at in range(start)),
        *((start + one, start + other) for one, other in middle),
        *((len(old) - at, len(new) - at) for at in range(end, 0, -1)),
    ]


def _aligned(old: Sequence[Any], new: Sequence[Any]) -> list[tuple[int, int]]:
    if not old or not new:
        return []
    places: dict[Hashable, list[int]] = {}
    for at in range(len(new) - 1, -1, -1):
        places.setdefault(_identity(new[at]), []).append(at)
    equal = [places.get(_identity(item), ()) for item in old]
    if sum(map(len, equal)) > MOST_PAIRS:
        return [(at, at) for at in range(min(len(old), len(new))) if _same(old[at], new[at])]
    ends: list[int] = []
    chains: list[Any] = []
    for one, candidates in enumerate(equal):
        for other in candidates:
            length = bisect_left(ends, other)
            chain = (one, other, chains[length - 1] if length else None)
            ends[length : length + 1], chains[length : length + 1] = [other], [chain]
    aligned: list[tuple[int, int]] = []
    link = chains[-1] if chains else None
    while link is not None:
        aligned.append((link[0], link[1]))
        link = link[2]
    return aligned[::-1]


def _identity(item: Any) -> Hashable:
    """What is equal for the same JSON only: types, digits and the order of keys too."""
    return item if item.__class__ is str else marshal.dumps(item, PLAIN)


def _same(one: Any, other: Any) -> bool:
    return one is other or (one.__class__ is other.__class__ and bool(_identity(one) == _identity(other)))


def _child(path: str, key: str) -> str:
    return f"{path}/{key.replace('~', '~0').replace('/', '~1')}"


class _Copy:
    """A document that is being changed. What is changed in it is copied first, once."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self._own: dict[int, Any] = {}

    def apply(self, operation: Operation) -> None:
        """Do one step. Raises `PatchError`."""
        try:
            kind, path = operation["op"], pointer(operation["path"])
            if kind == "move":
                self._add(path, self._remove(pointer(operation["from"])))
            elif kind == "remove":
                self._remove(path)
            elif kind in {"add", "replace"}:
                self._put(path, operation["value"], kind)
            else:
                raise PatchError(f"{kind!r} is none of add, remove, replace, move")
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, PatchError):
                raise
            raise PatchError(f"{operation!r} does not fit the document") from None

    def _put(self, path: list[str], value: Any, kind: str) -> None:
        if not path:
            self.document = value
        elif kind == "add":
            self._add(path, value)
        else:
            place, last = self._parent(path)
            key = last if isinstance(place, dict) else _index(last, len(place) - 1)
            place[key]  # raises where there is nothing to replace
            place[key] = value

    def _add(self, path: list[str], value: Any) -> None:
        place, last = self._parent(path)
        if isinstance(place, dict):
            place[last] = value
        else:
            place.insert(len(place) if last == "-" else _index(last, len(place)), value)

    def _remove(self, path: list[str]) -> Any:
        place, last = self._parent(path)
        return place.pop(last) if isinstance(place, dict) else place.pop(_index(last, len(place) - 1))

    def _parent(self, path: list[str]) -> tuple[Any, str]:
        """The object or list that the last part of a path is in, as a copy of this document's own; and that part."""
        *above, last = path
        place = self.document = self._copied(self.document)
        for part in above:
            key = part if isinstance(place, dict) else _index(part, len(place) - 1)
            place[key] = self._copied(place[key])
            place = place[key]
        return place, last

    def _copied(self, value: Any) -> Any:
        if not isinstance(value, dict | list):
            raise PatchError(f"{value!r} has no parts")
        if id(value) in self._own:
            return value
        copied = value.copy()
        self._own[id(copied)] = copied
        return copied


def _index(part: str, most: int) -> int:
    """The place that a part of a pointer names in a list (RFC 6901). Raises `PatchError`."""
    if not part.isascii() or not part.isdecimal() or (part[0] == "0" and part != "0") or int(part) > most:
        raise PatchError(f"{part!r} is no place of the list")
    return int(part)
