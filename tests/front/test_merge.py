"""The law of merging: one merged update does to a document what the updates do to it one after another."""

import json
from typing import Any

import jsonpatch
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from front.merge import Unmergeable, merged

from .wire import Json, texts

# Few, so that places are met again: steps into objects, into either, and such as are escaped.
names = st.sampled_from(["a", "0"]) | st.sampled_from(["a", "0", "-", "", "a/b", "~1", "01f-2"])
leaves = st.integers(0, 9) | st.just('"patch":[')
values: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.dictionaries(names, inner, max_size=2) | st.lists(inner, min_size=1, max_size=2),
    max_leaves=4,
)


@st.composite
def operations(draw: st.DrawFn, document: Any) -> Json:  # noqa: ANN401 - any JSON
    """One operation that can be done on a document."""
    path = ""
    node = document
    while True:
        if isinstance(node, dict):
            name = draw(st.sampled_from(sorted(node)) | names if node else names)
            there = name in node
        else:
            index = draw(st.integers(0, len(node)))
            there = index < len(node)
            name = str(index) if there or draw(st.booleans()) else "-"
        path += "/" + name.replace("~", "~0").replace("/", "~1")
        child = (node[name] if isinstance(node, dict) else node[int(name)]) if there else None
        if isinstance(child, dict | list) and draw(st.integers(0, 3)):
            node = child
            continue
        op = draw(st.sampled_from(["add", "replace", "remove"])) if there else "add"
        return {"op": op, "path": path} if op == "remove" else {"op": op, "path": path, "value": draw(values)}


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[Any], list[list[Json]]]:
    """Documents, and the patches that lead from each to the next."""
    documents: list[Any] = [
        {"a": draw(st.lists(leaves, max_size=2)), "0": draw(st.dictionaries(names, values, max_size=2))}
    ]
    patches: list[list[Json]] = []
    for _ in range(draw(st.integers(2, 4))):
        document, patch = documents[-1], []
        for _ in range(draw(st.integers(0, 4))):
            if draw(st.integers(0, 19)) == 0:
                patch.append({"op": draw(st.sampled_from(["add", "replace"])), "path": "", "value": {"a": []}})
            else:
                patch.append(draw(operations(document)))
            document = jsonpatch.apply_patch(document, patch[-1:])
        documents.append(document)
        patches.append(patch)
    return documents, patches


def frames(patches: list[list[Json]]) -> list[bytes]:
    """Updates of one store, from version 1 on."""
    return [
        json.dumps(
            {"type": "update", "store": 'a{"b": "\\"patch\\":["}', "epoch": "e", "from": n, "to": n + 1, "patch": patch}
        ).encode()
        for n, patch in enumerate(patches, 1)
    ]


def patch_of(patches: list[list[Json]]) -> list[Json]:
    """The operations of the merged update; what is around them is checked."""
    (frame,) = texts(merged(frames(patches)))
    patch: list[Json] = frame.pop("patch")
    assert frame == {
        "type": "update",
        "store": 'a{"b": "\\"patch\\":["}',
        "epoch": "e",
        "from": 1,
        "to": 1 + len(patches),
    }
    return patch


@settings(max_examples=max(300, settings().max_examples))
@given(chains())
def test_merged_is_one_after_another(chain: tuple[list[Any], list[list[Json]]]) -> None:
    """From whatever link on, on documents with objects and lists."""
    documents, patches = chain
    for begin, document in enumerate(documents[:-1]):
        patch = patch_of(patches[begin:])
        assert len(patch) <= sum(map(len, patches[begin:]))
        assert json.dumps(jsonpatch.apply_patch(document, patch), sort_keys=True) == json.dumps(
            documents[-1], sort_keys=True
        )


def add(path: str, value: object = 1) -> Json:
    return {"op": "add", "path": path, "value": value}


def replace(path: str, value: object = 1) -> Json:
    return {"op": "replace", "path": path, "value": value}


def remove(path: str) -> Json:
    return {"op": "remove", "path": path}


@pytest.mark.parametrize(
    ("patch", "kept"),
    [
        ([add("/a", 1), add("/a", 2)], [add("/a", 2)]),
        ([remove("/a"), add("/a")], [add("/a")]),
        ([replace("/a", 1), replace("/a", 2)], [replace("/a", 2)]),
        ([add("/a", 1), replace("/a", 2)], [add("/a", 1), replace("/a", 2)]),
        ([replace("/a"), remove("/a")], [remove("/a")]),
        ([add("/a", "long"), remove("/a")], [add("/a", None), remove("/a")]),
        ([add("/a/b"), add("/c"), remove("/a")], [add("/c"), remove("/a")]),
        ([add("/a/b"), replace("/a", {})], [replace("/a", {})]),
        ([add("/a/0"), add("/a", [])], [add("/a", [])]),
        ([add("/a/0"), add("/a/0")], [add("/a/0"), add("/a/0")]),
        ([add("/0/a"), add("/0", {}), add("/0/a")], [add("/0/a"), add("/0", {}), add("/0/a")]),
        ([add("/a/-"), add("/a/-")], [add("/a/-"), add("/a/-")]),
        ([add("/a/01f"), add("/a/01f")], [add("/a/01f")]),
        ([add("/a"), add("/ab"), add("/a")], [add("/ab"), add("/a")]),
        ([add("/a"), replace("", {})], [replace("", {})]),
        ([], []),
    ],
    ids=str,
)
def test_what_is_overwritten_is_left_out(patch: list[Json], kept: list[Json]) -> None:
    """Where a step may lead into a list nothing is; what has to be there to be removed is not left out either."""
    assert patch_of([[operation] for operation in patch] or [[], []]) == kept


def test_values_stay_the_text_they_are() -> None:
    """Nothing of them is read: no number loses a digit, no escape is rewritten."""
    value = '{"n":1.000000000000000000001e400,"é":"\\u00e9","k":{"a":1,"a":2}}'
    first = '{"type":"update","store":"a{}","epoch":"e","from":1,"to":2,"patch":[{"op":"add","path":"/v","value":%s}]}'
    second = '{"type":"update","store":"a{}","epoch":"e","from":2,"to":9,"patch":[]}'
    assert value.encode() in merged([(first % value).encode(), second.encode()])


@example([{"op": "test", "path": "", "value": 1}])
@example([{"op": "move", "from": "/a", "path": "/b"}])
@example([{"path": "/b"}])
@given(st.just("no list"))
def test_what_is_no_patch_of_ours_is_not_merged(patch: object) -> None:
    """An application may say patches itself; what we cannot understand we do not guess."""
    frame = {"type": "update", "store": "a{}", "epoch": "e", "from": 1, "to": 2, "patch": patch}
    with pytest.raises(Unmergeable):
        merged([json.dumps(frame).encode()] * 2)
