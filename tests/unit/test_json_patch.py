"""RFC 6902 differences: exact for any two documents, small where a little changes."""

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pumice.agents.json_patch import MOST_PAIRS, PatchError, apply_patch, diff
from tests.support.json_documents import DOCUMENTS, FEW, KEYS


def text(document):
    return json.dumps(document)


@given(DOCUMENTS, DOCUMENTS)
@example({"a": 1, "b": 2}, {"b": 2, "a": 1})
@example([1, 2, 3], [1.0, True, 3])
def test_a_difference_is_exact(old, new):
    before = text(old)
    assert text(apply_patch(old, json.loads(text(diff(old, new))))) == text(new)
    assert text(old) == before


@given(st.lists(FEW, max_size=30), st.lists(FEW, max_size=30))
def test_differences_of_lists_are_exact(old, new):
    assert text(apply_patch(old, diff(old, new))) == text(new)


@given(st.dictionaries(KEYS, FEW, max_size=8).flatmap(lambda one: st.tuples(st.just(one), st.permutations(list(one)))))
def test_another_order_of_keys_moves_them_and_says_no_value_again(pair):
    old, order = pair
    operations = diff(old, {key: old[key] for key in order})
    assert all(one["op"] == "move" for one in operations)
    assert list(apply_patch(old, operations)) == order


@given(DOCUMENTS)
def test_equal_documents_have_no_difference(document):
    assert diff(document, json.loads(text(document))) == []


@pytest.mark.parametrize(
    ("old", "new", "operations"),
    [
        ({"a": 1}, {"a": 1, "b/c~d": 2}, [{"op": "add", "path": "/b~1c~0d", "value": 2}]),
        ({"a": {"": 1}}, {"a": {"": 2}}, [{"op": "replace", "path": "/a/", "value": 2}]),
        ({"a": 1, "b": 2}, {"b": 2}, [{"op": "remove", "path": "/a"}]),
        ([1, 2, 3], [1, 3], [{"op": "remove", "path": "/1"}]),
        ([1, 3], [1, 2, 3], [{"op": "add", "path": "/1", "value": 2}]),
        ([{"n": 1}, {"n": 2}], [{"n": 1}, {"n": 3}], [{"op": "replace", "path": "/1/n", "value": 3}]),
        (1, True, [{"op": "replace", "path": "", "value": True}]),
    ],
)
def test_one_change_is_one_operation(old, new, operations):
    assert diff(old, new) == operations


def test_a_list_that_lost_its_head_is_not_told_anew():
    old = [{"id": n} for n in range(2_000)]
    assert diff(old, [*old[5:], {"id": "new"}]) == [
        *({"op": "remove", "path": "/0"} for _ in range(5)),
        {"op": "add", "path": "/1995", "value": {"id": "new"}},
    ]


def test_long_lists_of_equal_items_are_compared_place_by_place():
    size = int(MOST_PAIRS**0.5) + 10
    old, new = [0, *[1] * size, 0], [2, *[1] * (size - 1), 3, 2]
    assert text(apply_patch(old, diff(old, new))) == text(new)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/x"},
        {"op": "replace", "path": "/x", "value": 1},
        {"op": "add", "path": "/list/9", "value": 1},
        {"op": "add", "path": "/list/01", "value": 1},
        {"op": "add", "path": "/a/b", "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "path": "/a"},
        {"op": "test", "path": "/a", "value": 1},
        {"path": "/a"},
    ],
)
def test_an_operation_that_does_not_fit_is_refused(operation):
    with pytest.raises(PatchError):
        apply_patch({"a": 1, "list": [1]}, [operation])


def test_a_state_of_100_kilobytes_takes_a_few_milliseconds():
    old = {f"order-{n}": {"id": n, "status": "sent", "lines": [{"sku": f"s{n}", "count": 2}]} for n in range(1_500)}
    new = json.loads(text(old))
    new["order-700"]["status"] = "paid"
    assert len(text(old)) > 100_000
    began = time.perf_counter()
    assert diff(old, new) == [{"op": "replace", "path": "/order-700/status", "value": "paid"}]
    assert time.perf_counter() - began < 1
