"""Differences between states: whatever two texts are, the second comes back."""

import pytest
from hypothesis import given
from hypothesis.strategies import binary, builds, integers, lists, tuples

from pumice.sessions.deltas import apply, encode, pack, unpack


def edited(text: bytes, edits: list[tuple[int, int, bytes]]) -> tuple[bytes, bytes]:
    """A text, and what becomes of it by replacing bytes at places."""
    new = text
    for at, size, what in edits:
        place = at % (len(new) + 1)
        new = new[:place] + what + new[place + size :]
    return text, new


EDITS = lists(tuples(integers(0, 10_000), integers(0, 50), binary(max_size=300)), max_size=5)


@given(builds(edited, binary(max_size=3_000), EDITS))
def test_what_was_told_as_a_difference_comes_back(texts: tuple[bytes, bytes]) -> None:
    base, new = texts
    assert apply(base, encode(base, new)) == new
    assert unpack(pack(new)) == new


@pytest.mark.parametrize("size", [1_000, 50_000, 400_000])
def test_one_change_takes_some_bytes(size):
    base = b"".join(b"%08d," % number for number in range(size // 9))
    new = base.replace(b"00000050,", b"changed!,")
    assert len(encode(base, new)) < 20


def test_what_changed_in_many_places_takes_little_more():
    base = b"".join(b'"order-%06d":"paid %d",' % (number, number * number) for number in range(2_000))
    new = base
    for number in range(0, 2_000, 200):
        new = new.replace(b'"order-%06d":"paid' % number, b'"order-%06d":"sent' % number)
    assert len(encode(base, new)) < 400


def test_a_difference_of_a_newer_release_is_refused():
    with pytest.raises(ValueError, match="newer release"):
        apply(b"{}", b"\x09xyz")
