"""Which messages a conversation has at one point that it did not have at another."""

from pumice.sessions.conversation import OWN, Part
from pumice.sessions.points import Point


def added_parts(old: Point, new: Point) -> list[Part]:
    """The parts of the conversation at `new` that the one at `old` has not, for reading them in `new`'s session."""
    had = _located(old)
    found: list[Part] = []
    for line, first, stop in new.parts:
        place = _place(new, line)
        left = [(first, stop)]
        for _, start, end in (span for span in had if span[0] == place):
            left = [rest for one in left for rest in _without(one, (start, end))]
        found.extend((line, *span) for span in left)
    return found


def _located(point: Point) -> list[tuple[object, int, int]]:
    return [(_place(point, line), first, stop) for line, first, stop in point.parts]


def _place(point: Point, line: int) -> object:
    """In which session a part stands: by its line, or by its name where it has none, which only that session sees."""
    if line != OWN:
        return line
    return point.session_id if point.line is None else point.line


def _without(span: tuple[int, int], taken: tuple[int, int]) -> list[tuple[int, int]]:
    """What of a span is not in another one."""
    parts = [(span[0], min(span[1], taken[0])), (max(span[0], taken[1]), span[1])]
    return [part for part in parts if part[1] > part[0]] if taken[0] < span[1] and taken[1] > span[0] else [span]
