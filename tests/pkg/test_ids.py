from __future__ import annotations

from bunbase.pkg.ids import CROCKFORD, new_id


def test_new_ids_are_unique_and_sort_in_the_order_of_creation() -> None:
    ids = [new_id("prj") for _ in range(20_000)]

    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert all(len(one) == 30 and set(one[4:]) <= set(CROCKFORD) for one in ids[:100])


def test_an_id_without_a_prefix_has_no_underscore() -> None:
    assert len(new_id()) == 26
