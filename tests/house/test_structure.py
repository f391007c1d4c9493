"""Rules for the source that import-linter and ruff cannot check."""

import pytest

from tests.house.structure import ROOMS, cycles, imports, modules, repeated_classes


def test_there_is_no_import_cycle() -> None:
    trees = modules()

    graph = {name: imports(name, tree, set(trees)) for name, tree in trees.items()}

    assert cycles(graph) == [], "also imports under TYPE_CHECKING and in functions count"


def test_an_import_cycle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}

    assert cycles(graph) == [["b", "c"]]


@pytest.mark.parametrize("room", ROOMS)
def test_no_two_classes_of_a_room_share_a_name(room: str) -> None:
    assert repeated_classes(room) == {}
