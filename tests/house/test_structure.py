"""Rules of the house that import-linter and ruff cannot hold."""

import pytest

from tests.house.structure import ROOMS, cycles, imports, modules, repeated_classes


def test_no_modules_import_each_other_in_a_circle() -> None:
    trees = modules()

    graph = {name: imports(name, tree, set(trees)) for name, tree in trees.items()}

    assert cycles(graph) == [], "also imports under TYPE_CHECKING and in functions count"


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}

    assert cycles(graph) == [["b", "c"]]


@pytest.mark.parametrize("room", ROOMS)
def test_no_two_classes_of_a_room_share_a_name(room: str) -> None:
    assert repeated_classes(room) == {}
