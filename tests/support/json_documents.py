"""Random JSON documents, with what is easily mistaken in them: 1 and 1.0 and true, 0.0 and -0.0, odd keys."""

from typing import Any

from hypothesis import strategies as st

KEYS = st.sampled_from(["", "a", "b", "/", "~", "~1", "a/b", "é", "0", "-"]) | st.text(max_size=4)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers() | st.integers(10**30, 10**31) | FLOATS
FEW = st.sampled_from([0, 1, 1.0, True, False, None, -0.0, 0.0, "1", ""])
DOCUMENTS: st.SearchStrategy[Any] = st.recursive(
    SCALARS | FEW | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=24,
)
