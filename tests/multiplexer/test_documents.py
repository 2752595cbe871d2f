"""What is kept of documents, and for how long."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from multiplexer.documents import ROOM, SOON, Documents
from multiplexer.engine import Rendered


class Clock:
    """A clock that goes on by a while whenever it is looked at."""

    def __init__(self, while_: float = SOON) -> None:
        self.now = 0.0
        self.while_ = while_

    def __call__(self) -> float:
        self.now += self.while_
        return self.now


def rendered(version: int, document: object, key: str = "a{}", epoch: str = "e") -> Rendered:
    return Rendered(key, epoch, 0, version, orjson.dumps(document).decode())


def add(name: str, value: object) -> bytes:
    return orjson.dumps([{"op": "add", "path": f"/{name}", "value": value}])


def document(documents: Documents, key: str = "a{}") -> object:
    last = documents.last(key)
    return None if last is None else (last.version, orjson.loads(last.document))


@given(st.lists(st.text("ab", min_size=1, max_size=ROOM // 3), max_size=20))
def test_patches_are_applied(values: list[str]) -> None:
    """However many patches come and however large they are, the document is what they lead to."""
    documents = Documents(clock=Clock())
    documents.fetched(rendered(5, {}), by_all=True)
    for version, value in enumerate(values, 5):
        documents.moved("a{}", "e", version, version + 1, add("x", value))
    assert document(documents) == (5 + len(values), {"x": values[-1]} if values else {})


def test_what_a_front_fetches_replaces_nothing() -> None:
    """All fronts have come as far as the doorbells have; one that fetched is ahead of them."""
    documents = Documents(clock=Clock())
    documents.fetched(rendered(1, {"v": 1}), by_all=True)
    documents.fetched(rendered(3, {"v": 3}), by_all=True)
    assert document(documents) == (1, {"v": 1})
    documents.moved("a{}", "e", 1, 2, add("v", 2))
    assert document(documents) == (2, {"v": 2})


def test_patches_that_it_has_are_passed_over() -> None:
    """A document rendered later than a commit has what its doorbell says."""
    documents = Documents(clock=Clock())
    documents.told(rendered(3, {"v": 3}))
    assert documents.knows("a{}", 3)
    assert not documents.knows("a{}", 4)
    documents.moved("a{}", "e", 2, 3, add("v", 0))
    documents.moved("a{}", "e", 3, 4, add("v", 4))
    assert document(documents) == (4, {"v": 4})


def test_a_gap_ends_it() -> None:
    """Patches that do not continue from it, of another epoch or without a fit leave nothing to rely on."""
    for moved in (("e", 2, 3, add("v", 1)), ("f", 1, 2, add("v", 1)), ("e", 1, 2, add("no/where", 1))):
        documents = Documents(clock=Clock())
        documents.fetched(rendered(1, {"v": 1}), by_all=True)
        documents.moved("a{}", *moved)
        assert document(documents) is None


def test_it_is_bounded() -> None:
    """What was used longest ago is let go of, be it for documents or for patches."""
    documents = Documents(clock=Clock(), most=1000)
    for name in "abc":
        documents.fetched(rendered(1, {"x": "x" * 300}, key=f"{name}{{}}"), by_all=True)
    documents.moved("c{}", "e", 1, 2, add("y", "y" * 300))
    assert [document(documents, f"{name}{{}}") is None for name in "abc"] == [True, False, False]
    documents.told(rendered(1, {"x": "x" * 2000}, key="d{}"))
    assert [document(documents, f"{name}{{}}") is None for name in "abcd"] == [True, True, True, True]


def test_what_others_hold_is_not_known() -> None:
    """A document that not all fronts have is no ground for a difference."""
    documents = Documents(clock=Clock())
    documents.fetched(rendered(1, {"v": 1}), by_all=False)
    assert document(documents) is None


def test_two_documents_of_one_version() -> None:
    """A store that changed and was not touched: which of the two a front holds is not known."""
    documents = Documents(clock=Clock())
    documents.fetched(rendered(1, {"v": 1}), by_all=True)
    documents.moved("a{}", "e", 1, 2, add("v", 2))
    documents.fetched(rendered(2, {"v": 2}), by_all=False)
    assert document(documents) == (2, {"v": 2})
    documents.fetched(rendered(2, {"v": 3}), by_all=False)
    assert document(documents) is None


def test_who_moves_fast_is_let_go() -> None:
    """A front that is told so much has no use for a difference that is shorter than a snapshot."""
    documents = Documents(clock=Clock(while_=0.0))
    documents.fetched(rendered(0, {}), by_all=True)
    for version in range(4):
        documents.moved("a{}", "e", version, version + 1, add("x", "x" * (ROOM // 3)))
    assert document(documents) is None
