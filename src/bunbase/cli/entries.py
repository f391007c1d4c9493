"""Find the functions of a folder, and the entry file of each function."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from bunbase.cli.errors import Usage
from bunbase.cli.project_file import FUNCTION_NAME, NAME, ProjectFile, name_rule, read_project_file

FOLDER: Final = "functions"
# Bun can also bundle files with these endings
OTHER_ENDINGS: Final = frozenset({".js", ".mjs", ".cjs", ".jsx", ".mts", ".cts", ".tsx"})
NOT_FUNCTIONS: Final = (".d.ts", ".test.ts", ".spec.ts")


class Entry(msgspec.Struct, frozen=True):
    """One function. `config`: its settings in bunbase.toml, without defaults."""

    name: str
    path: Path
    config: dict[str, Any] = {}


def entries(project: ProjectFile, only: Sequence[str] = (), root: Path | None = None) -> list[Entry]:
    """Return the named functions, or all of them ordered by name.

    A function is functions/<name>.ts, functions/<name>/index.ts, or the `entry` of its section in bunbase.toml. Files
    whose names begin with _ are shared code. Raises: Usage.
    """
    root = root or Path()
    found = _in_folder(root / FOLDER)
    for name, section in project.functions.items():
        if section.entry is not None:
            found[name] = [root / section.entry]
    for name in only:
        if name in project.collections and name not in found and name not in project.functions:
            advice = "`bunbase deploy` without names deploys the collections, functions and settings of the file."
            raise Usage(f"{name} is a collection, and the names here are those of functions. {advice}", "no_functions")
    wanted = list(dict.fromkeys(only)) or sorted(found.keys() | project.functions.keys())
    if not wanted:
        no_file = "" if (root / NAME).exists() else f"There is no {NAME} in {root.absolute()} or above it. "
        raise Usage(
            f"{no_file}There is no function in {root.absolute() / FOLDER}: write {FOLDER}/hello.ts, or run "
            "`bunbase init`."
            f"{''.join(f' {not_a_function(path)}' for path in passed_over(project, root)[:3])}",
            "no_functions",
        )
    return [Entry(name, _only_path(name, found, root), project.configs.get(name, {})) for name in wanted]


def function_names(project: ProjectFile, root: Path | None = None) -> set[str]:
    """Return the names of the functions that have a file."""
    root = root or Path()
    named = {name for name, one in project.functions.items() if one.entry is not None and (root / one.entry).is_file()}
    return named | _in_folder(root / FOLDER).keys()


def passed_over(project: ProjectFile, root: Path | None = None) -> list[Path]:
    """Return the files of functions/ that have the name of a function but another ending than `.ts`.

    The result leaves out a file if it is the `entry` of a function, or if a file with the same name ends in `.ts`.
    """
    folder = (root or Path()) / FOLDER
    known = set(_in_folder(folder)) | {name for name, section in project.functions.items() if section.entry is not None}
    paths = sorted((*folder.glob("*.*"), *folder.glob("*/index.*")))
    return [path for path in paths if path.suffix in OTHER_ENDINGS and _is_new_name(path, folder, known)]


def not_a_function(path: Path) -> str:
    """Return a sentence that tells the user why the command skipped a file, and how to make it use the file."""
    name = _name_of(path)
    return (
        f"{path} is not deployed: the file of a function ends in .ts. Rename it, or write below [functions.{name}] in "
        f'{NAME}: entry = "{path}". If other functions import it, let its name begin with _.'
    )


def has_functions(folder: Path | None = None) -> bool:
    """True if the folder has functions, or has a bunbase.toml that names functions or cannot be read."""
    folder = folder or Path()
    if _in_folder(folder / FOLDER):
        return True
    try:
        return bool(read_project_file(folder / NAME).functions)
    except Usage:
        return True  # `bunbase watch` reports the mistake in the file


def _in_folder(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in (*folder.glob("*.ts"), *folder.glob("*/index.ts")):
        name = _name_of(path)
        if not name.startswith("_") and not path.name.endswith(NOT_FUNCTIONS):
            found.setdefault(name, []).append(path)
    return found


def _name_of(path: Path) -> str:
    return path.parent.name if path.stem == "index" and path.parent.name != FOLDER else path.stem


def _is_new_name(path: Path, folder: Path, known: set[str]) -> bool:
    name = _name_of(path)
    return path.is_file() and name not in known and FUNCTION_NAME.fullmatch(name) is not None


def _only_path(name: str, found: dict[str, list[Path]], root: Path) -> Path:
    if not FUNCTION_NAME.fullmatch(name):
        raise Usage(f"{name_rule(name).replace('a', 'A', 1)}.", "invalid_function_name")
    match found.get(name, []):
        case []:
            others = [path for path in passed_over(ProjectFile(), root) if _name_of(path) == name]
            missing = f"There is no {FOLDER}/{name}.ts and no {FOLDER}/{name}/index.ts in {root.absolute()}."
            raise Usage(not_a_function(others[0]) if others else missing, "no_functions")
        case [path] if not path.is_file():
            raise Usage(f"{NAME} names {path} as the entry of {name}, but there is no such file.", "no_functions")
        case [path]:
            return path
        case paths:
            raise Usage(
                f"{' and '.join(map(str, paths))} both define the function {name}: remove one.", "ambiguous_function"
            )
