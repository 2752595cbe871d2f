"""Patches are applied as RFC 6902 has it; jsonpatch is the oracle."""

import copy
import json
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import patch

scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab/~0-", max_size=3)
names = st.text("ab/~01-", max_size=2)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=12
)


@given(documents, documents)
def test_difference(before: object, after: object) -> None:
    """The difference of two documents leads from one to the other, for jsonpatch too; of equal ones it is nothing."""
    ops = patch.difference(before, after)
    assert {op["op"] for op in ops} <= {"add", "remove", "replace"}
    assert json.dumps(patch.apply(copy.deepcopy(before), ops), sort_keys=True) == json.dumps(after, sort_keys=True)
    assert jsonpatch.apply_patch(copy.deepcopy(before), ops) == after
    assert (ops == []) == (json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True))


def test_difference_is_short() -> None:
    """One row more in front, one changed in the middle, one gone: an operation each."""
    rows = [{"id": number, "body": "x"} for number in range(9)]
    assert patch.difference(rows, [{"id": 99}, *rows]) == [{"op": "add", "path": "/0", "value": {"id": 99}}]
    assert patch.difference(rows, [*rows[:4], *rows[5:]]) == [{"op": "remove", "path": "/4"}]
    changed = [*rows[:4], {"id": 4, "body": True}, *rows[5:]]
    assert patch.difference(rows, changed) == [{"op": "replace", "path": "/4/body", "value": True}]


paths = st.lists(names | st.sampled_from(["0", "1", "01", "-"]), max_size=3).map(
    lambda tokens: "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in tokens)
)
operations = st.one_of(
    st.fixed_dictionaries({"op": st.sampled_from(["add", "replace"]), "path": paths, "value": documents}),
    st.fixed_dictionaries({"op": st.just("remove"), "path": paths.filter(bool)}),
)


@given(documents, st.lists(operations, max_size=3))
def test_oracle(document: object, ops: list[dict[str, Any]]) -> None:
    """Any patch does what jsonpatch does with it, or is refused."""
    try:
        expected = jsonpatch.apply_patch(copy.deepcopy(document), copy.deepcopy(ops))
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, AttributeError):
        with pytest.raises(patch.PatchError):
            patch.apply(copy.deepcopy(document), ops)
        return
    assert patch.apply(copy.deepcopy(document), copy.deepcopy(ops)) == expected


@pytest.mark.parametrize(
    "op",
    [
        {"op": "move", "from": "/a", "path": "/b"},
        {"op": "add", "path": "/a"},
        {"op": "add", "value": 1},
        {"path": "/a", "value": 1},
        {"op": "add", "path": 1, "value": 1},
        {"op": "add", "path": "a", "value": 1},
        {"op": "remove", "path": ""},
        {"op": "remove", "path": "/none"},
        {"op": "replace", "path": "/none", "value": 1},
        {"op": "add", "path": "/none/x", "value": 1},
        {"op": "add", "path": "/l/3", "value": 1},
        {"op": "add", "path": "/l/01", "value": 1},
        {"op": "add", "path": "/l/-1", "value": 1},
        {"op": "add", "path": "/l/\u0661", "value": 1},
        {"op": "remove", "path": "/l/-"},
        {"op": "remove", "path": "/l/2"},
        {"op": "replace", "path": "/l/2", "value": 1},
        {"op": "add", "path": "/a/b", "value": 1},
        {"op": "add", "path": "/a/b/c", "value": 1},
    ],
)
def test_refused(op: dict[str, Any]) -> None:
    """What is no patch, or does not fit, is refused."""
    with pytest.raises(patch.PatchError):
        patch.apply({"a": "text", "l": [1, 2]}, [op])


def test_in_place() -> None:
    """The document stays the same object."""
    document = {"a": {"b": [1]}}
    assert patch.apply(document, [{"op": "add", "path": "/a/b/-", "value": 2}]) is document
    assert document == {"a": {"b": [1, 2]}}
