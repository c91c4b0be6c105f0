"""A state told as its difference from an earlier one, the keyframe. Any state is two reads: keyframe and difference.

A difference is one byte that says how, and what follows:
- `SAME`: nothing; the state is the keyframe.
- `SPLICE`: how many bytes the two have in common at their beginning and at their end, as varints, and what stands
  between. Most turns change one place: that takes some 20 bytes, and 3 to 15 µs to find.
- `ZSTD`: the state compressed by zstd (RFC 8878) with the keyframe as its dictionary: changes in many places.
"""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SAME = b"\x00"
SPLICE = b"\x01"
ZSTD = b"\x02"
SHORT = 160
"""Bytes between the common ends up to which nothing shorter is looked for; of a small state, up to a quarter."""
MOST_SPLICED = 512
LEVEL = 3
NEAR = 512
"""Bytes that are compared as one number, by which the first that differs is found without a loop."""
MORE = 0x80


def pack(text: bytes) -> bytes:
    """A text, compressed."""
    return zstd.compress(text, LEVEL)


def unpack(data: bytes) -> bytes:
    """What `pack` was given."""
    return zstd.decompress(data)


def encode(base: bytes, new: bytes) -> bytes:
    """The difference from `base` to `new`."""
    if base == new:
        return SAME
    most = min(len(base), len(new))
    start = _common_start(base, new, most)
    end = _common_end(base, new, most - start)
    spliced = SPLICE + _varint(start) + _varint(end) + new[start : len(new) - end]
    if len(spliced) <= max(SHORT, min(len(new) // 4, MOST_SPLICED)):
        return spliced
    dictionary = zstd.ZstdDict(base, is_raw=True)
    compressed = ZSTD + zstd.compress(new, LEVEL, zstd_dict=dictionary.as_prefix)
    return min(spliced, compressed, key=len)


def apply(base: bytes, delta: bytes) -> bytes:
    """The text that differs from `base` by `delta`. Raises `ValueError` for what is no difference."""
    how = delta[:1]
    if how == SAME:
        return base
    if how == SPLICE:
        start, at = _read_varint(delta, 1)
        end, at = _read_varint(delta, at)
        return base[:start] + delta[at:] + base[len(base) - end :]
    if how == ZSTD:
        return zstd.decompress(delta[1:], zstd_dict=zstd.ZstdDict(base, is_raw=True).as_prefix)
    raise ValueError(f"a difference that begins with {how!r} is of a newer release")


def _common_start(one: bytes, other: bytes, most: int) -> int:
    """How many bytes at their beginning are the same, of `most`."""
    low, high = 0, most
    while high - low > NEAR:
        middle = (low + high) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle
    differing = int.from_bytes(one[low:high]) ^ int.from_bytes(other[low:high])
    return high - (differing.bit_length() + 7) // 8


def _common_end(one: bytes, other: bytes, most: int) -> int:
    """How many bytes at their end are the same, of `most`."""
    low, high, first, second = 0, most, len(one), len(other)
    while high - low > NEAR:
        middle = (low + high) // 2
        if one[first - middle : first - low] == other[second - middle : second - low]:
            low = middle
        else:
            high = middle
    differing = int.from_bytes(one[first - high : first - low]) ^ int.from_bytes(other[second - high : second - low])
    return low + ((differing & -differing).bit_length() - 1) // 8 if differing else high


def _varint(number: int) -> bytes:
    """LEB128."""
    written = bytearray()
    while number >= MORE:
        written.append(number & 0x7F | MORE)
        number >>= 7
    written.append(number)
    return bytes(written)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while data[at] >= MORE:
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
    return number | data[at] << shift, at + 1
