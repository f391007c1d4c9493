from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bunbase.bundoc.transfer.order import referenced_first
from bunbase.contracts.bundoc.collections import Collection

NAMES = [f"c{number}" for number in range(8)]


def collection(name: str, *refers_to: str) -> Collection:
    fields = {f"to_{other}": {"type": "string", "x-ref": other} for other in refers_to}
    return Collection(name, "2026-01-01T00:00:00.000Z", schema={"properties": fields} if fields else None)


def test_a_collection_follows_those_that_it_refers_to() -> None:
    order = referenced_first([collection("items", "lists"), collection("lists", "users"), collection("users")])

    assert order == ["users", "lists", "items"]


def test_a_circle_and_a_reference_to_a_missing_collection_leave_out_nothing() -> None:
    order = referenced_first([collection("a", "b"), collection("b", "a", "b"), collection("c", "gone")])

    assert sorted(order) == ["a", "b", "c"]


def test_a_long_chain_of_collections_is_ordered() -> None:
    chain = [collection(f"c{number:04}", f"c{number + 1:04}") for number in range(2000)]

    assert referenced_first(chain) == [one.name for one in reversed(chain)]


@given(st.permutations(NAMES), st.data())
def test_any_schemas_without_a_circle_are_ordered_by_their_references(names: list[str], data: st.DataObject) -> None:
    needs = {name: data.draw(st.sets(st.sampled_from(names[:place] or [name]))) - {name}
             for place, name in enumerate(names)}  # fmt: skip

    order = referenced_first([collection(name, *sorted(needs[name])) for name in NAMES])

    assert sorted(order) == NAMES
    for name in NAMES:
        assert all(order.index(other) < order.index(name) for other in needs[name])
