"""Functions that find and remove the ids at the path of a reference."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.bundoc.query.predicate import candidates
from bunbase.bundoc.schema.references import named, without

PATH = ("a", "b")

LEAVES = st.sampled_from(["x", "y", None, 1])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["a", "b"]), VALUES, max_size=2)


@given(document=DOCUMENTS, path=st.sampled_from([("a",), PATH]))
def test_an_index_has_an_entry_for_every_referenced_id(document: dict[str, Any], path: tuple[str, ...]) -> None:
    indexed = {one for one in candidates(document, path) if isinstance(one, str)}

    assert {id for _, id in named(document, path)} == indexed


@given(document=DOCUMENTS, path=st.sampled_from([("a",), PATH]))
def test_only_references_to_the_given_ids_are_removed(document: dict[str, Any], path: tuple[str, ...]) -> None:
    left = msgspec.json.decode(without(msgspec.json.encode(document), path, {"x"}))

    before = [id for _, id in named(document, path)]
    assert [id for _, id in named(left, path)] == [id for id in before if id != "x"]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b'{"a":{"b":"x","c":1.50}}', b'{"a":{"b":null,"c":1.50}}'),
        (b'{"a":[{"b":["y","x"]},{"b":"x"},{}]}', b'{"a":[{"b":["y"]},{"b":null},{}]}'),
        (b'{"a":{"b":["x"]},"b":"x"}', b'{"a":{"b":[]},"b":"x"}'),
        (b'{"a":"x"}', b'{"a":"x"}'),
    ],
)
def test_removing_a_reference_keeps_all_other_bytes(document: bytes, expected: bytes) -> None:
    assert without(document, PATH, {"x"}) == expected
