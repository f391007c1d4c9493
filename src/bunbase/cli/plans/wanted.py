"""The collections that bunbase.toml describes, with the files that its tables name.

[collections.posts]
strict = true
schema = "collections/posts.schema.json"     # or a table; false: the collection has no schema
rules = "collections/posts.rules.toml"       # or a table; false: no rules
indexes = [{ fields = ["slug"], unique = true }]
expires = "ends_at"                          # false: documents do not expire
before_write = { function = "check" }        # false: writes call no function
before_images = true                         # each change contains the document as it was before
max_scan = 50000                             # false: the server's setting bundoc.max_scan applies
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType

from bunbase.cli.errors import Usage
from bunbase.cli.project_file import INVALID, NAME, ProjectFile
from bunbase.cli.rule_files import read_content, shown
from bunbase.contracts.bundoc.collections import CollectionSpec, IndexSpec, Rules
from bunbase.contracts.project_file import CollectionSection

T = TypeVar("T")


def wanted_collections(file: ProjectFile) -> dict[str, CollectionSpec]:
    """Return the settings of each collection in the file. Members that the file leaves out are UNSET. Raises: Usage."""
    return {name: _spec(name, section, file.folder) for name, section in file.collections.items()}


def rules_in(file: ProjectFile) -> dict[str, Rules]:
    """Return the rules of each collection for which the file has rules. Raises: Usage."""
    return {name: spec.rules for name, spec in wanted_collections(file).items() if isinstance(spec.rules, Rules)}


def only_rules(rules: dict[str, Rules]) -> dict[str, CollectionSpec]:
    return {name: CollectionSpec(rules=one) for name, one in rules.items()}


def _spec(name: str, section: CollectionSection, folder: Path) -> CollectionSpec:
    at = f"{NAME} [collections.{name}]"
    schema = _read(section.schema, folder, dict[str, Any], f"{at} schema")
    indexes = _read(section.indexes, folder, tuple[IndexSpec, ...], f"{at} indexes")
    if isinstance(schema, dict):
        _check_json(schema, f"{at} schema")
    for index in indexes or ():
        _check_json(index.where, f"{at} indexes")
    return CollectionSpec(
        indexes=() if indexes is None else indexes,
        rules=_read(section.rules, folder, Rules, f"{at} rules"),
        expires=_without(section.expires, f"{at} expires"),
        schema=schema,
        strict=section.strict,
        before_write=_without(section.before_write, f"{at} before_write"),
        before_images=section.before_images,
        max_scan=_without(section.max_scan, f"{at} max_scan"),
    )


def _read(value: Any, folder: Path, kind: type[T], at: str) -> T | UnsetType | None:
    """Return a value from the table, or from the file that the table names. Return None for `false`. Raises: Usage."""
    if isinstance(value, str):
        if not (folder / value).resolve().is_relative_to(folder.resolve()):
            raise Usage(f"{at}: {value} is outside of {folder}, where `bunbase pull` could write to it.", INVALID)
        return read_content(shown(folder / value), kind, INVALID)
    found: T | UnsetType | None = _without(value, at)
    return found


def _without(value: Any, at: str) -> Any:
    if value is True:
        raise Usage(f"{at}: this cannot be true. Write a value, or false for none.", INVALID)
    return None if value is False else value


def _check_json(value: Any, at: str) -> None:
    """Raises: Usage for values that TOML has and JSON does not have."""
    for path, one in _leaves(value, at):
        if isinstance(one, float) and not math.isfinite(one):
            raise Usage(f"{path}: JSON has no number {one}.", INVALID)
        if one is not None and not isinstance(one, str | int | float):
            raise Usage(f'{path}: write the time as a text: "{one}".', INVALID)


def _leaves(value: Any, at: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _leaves(one, f"{at}.{name}")
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _leaves(one, f"{at}[{place}]")
    elif value is not UNSET:
        yield at, value
