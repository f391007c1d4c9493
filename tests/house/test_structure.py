"""Rules for the source that import-linter and ruff cannot check."""

import ast
import re

import pytest

from tests.house.structure import ROOMS, SOURCE, cycles, imports, modules, repeated_classes


def test_there_is_no_import_cycle() -> None:
    trees = modules()

    graph = {name: imports(name, tree, set(trees)) for name, tree in trees.items()}

    assert cycles(graph) == [], "also imports under TYPE_CHECKING and in functions count"


def test_an_import_cycle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}

    assert cycles(graph) == [["b", "c"]]


def test_no_anext_has_a_tuple_as_its_default() -> None:
    """CPython 3.11 raises SystemError if `anext(items, ())` finds no item, because it takes the tuple as arguments."""
    wrong = [
        f"{name}:{call.lineno}"
        for name, tree in modules().items()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "anext"
        if any(isinstance(argument, ast.Tuple) for argument in call.args)
    ]

    assert wrong == []


def test_every_folder_of_the_source_is_a_package() -> None:
    """import-linter does not see a folder without `__init__.py`, so it would check no import there."""
    folders = {path.parent for path in (SOURCE / "bunbase").rglob("*.py")}

    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_only_the_gateway_and_routes_know_the_web_framework() -> None:
    knowing = {
        str(path.relative_to(SOURCE / "bunbase"))
        for path in (SOURCE / "bunbase").rglob("*.py")
        if re.search(r"^\s*(from|import) litestar\b", path.read_text(), re.MULTILINE)
    }

    assert [
        name
        for name in knowing
        if not re.search(
            r"(^gateway/|/routes/|/routes\.py$|^pkg/(http|openapi|closing_stream|line_streams|web_pages/serving)\.py$)",
            name,
        )
    ] == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_two_classes_of_a_room_share_a_name(room: str) -> None:
    assert repeated_classes(room) == {}


def test_rooms_check_acts_and_not_roles() -> None:
    """A check of only the role would ignore the scopes of the caller's token."""
    checking = {
        str(path.relative_to(SOURCE / "bunbase"))
        for path in (SOURCE / "bunbase").rglob("*.py")
        if re.search(r"\.need\(Role\.", path.read_text())
    }

    assert checking == set(), "call `check` with an act of contracts/acts.py"
