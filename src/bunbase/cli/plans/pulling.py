"""Write the configuration of a project to files: bunbase.toml, and the files that its tables name.

Only values that differ are written. If the file expresses the same value in another form, that form stays, such as an
index without a name, or an explicit default. A value that TOML cannot express, such as null, is written to a separate
JSON file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import UNSET

from bunbase.cli.auth_file import pulled as pulled_auth
from bunbase.cli.errors import Failure
from bunbase.cli.plans.comparing import FLAGS, index_changes, own_indexes, rule_changes
from bunbase.cli.plans.wanted import wanted_collections
from bunbase.cli.project_file import ProjectFile
from bunbase.cli.rule_files import shown
from bunbase.cli.toml_writing import edited, file_text, same
from bunbase.contracts.buncast import ChannelSpec
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec, Rules
from bunbase.contracts.functions.deployments import FunctionConfig, Version
from bunbase.contracts.storage import BucketSpec

LONGEST_INTEGER: Final = 1 << 63  # TOML has integers of 64 bits
FOLDER: Final = "collections"  # the folder for new files of a pull

Json = dict[str, Any]


class Project(msgspec.Struct, frozen=True):
    """The project as a pull has read it from the server. `auth`: the settings as the API shows them."""

    id: str
    slug: str
    collections: Mapping[str, Collection]
    active: Mapping[str, Version]
    auth: Json
    channels: Mapping[str, ChannelSpec] = {}
    buckets: Mapping[str, BucketSpec] = {}


class Pulled(msgspec.Struct, frozen=True):
    """The result. `files`: the new text of each file that changes, by its path; bunbase.toml is the last file.

    `removed`: collections of the file that the project does not have. `elsewhere`: functions of the project that have
    no file in this folder.
    """

    files: dict[Path, str]
    removed: tuple[str, ...]
    elsewhere: tuple[str, ...]


def pulled(project: Project, file: ProjectFile, path: Path, functions: set[str]) -> Pulled:
    """Return the files that make the folder match the project.

    `functions`: the functions that have a file in the folder.

    Raises: Usage for a mistake in the file; Failure if it cannot be changed in place.
    """
    text = file_text(path) if path.exists() else ""
    before = tomllib.loads(text)
    wanted = wanted_collections(file)
    files: dict[Path, str] = {}
    tables: Json = {}
    for name, one in project.collections.items():
        table = before.get("collections", {}).get(name, {})
        tables[name] = _collection(one, wanted.get(name, CollectionSpec()), table, file.folder, files)
    changed: Json = {"collections": tables, "auth": pulled_auth(project.auth, before.get("auth", {}))}
    sent = before.get("channels", {})
    changed["channels"] = {name: _whole(one, ChannelSpec, sent.get(name)) for name, one in project.channels.items()}
    sent = before.get("buckets", {})
    changed["buckets"] = {name: _bucket(one, sent.get(name)) for name, one in project.buckets.items()}
    here = {name: one for name, one in project.active.items() if name in functions}
    sections = {name: _function(here[name], before.get("functions", {}).get(name, {})) for name in here}
    changed["functions"] = {**before.get("functions", {}), **{name: one for name, one in sections.items() if one}}
    if not text:
        changed = {"project": {"id": project.id, "slug": project.slug}, **changed}
    after = edited(text, changed)
    if after != text:
        files[path] = after
    # bunbase.toml itself needs no check: it may be a symbolic link to a file outside of the folder
    for written in files.keys() - {path}:
        _check_inside(written, file.folder)
    removed = tuple(name for name in file.collections if name not in tables)
    return Pulled(files, removed, tuple(sorted(project.active.keys() - functions)))


def _collection(now: Collection, spec: CollectionSpec, table: Json, folder: Path, files: dict[Path, str]) -> Json:
    """Return the table of a collection, and add separate files that change to `files`.

    `table`: the present table in the file.
    """
    values: Json = {"schema": now.schema, "expires": now.expires, "rules": _rules(now.rules), "indexes": _indexes(now)}
    values["max_scan"] = now.max_scan
    values["before_write"] = msgspec.to_builtins(now.before_write) if now.before_write is not None else None
    agree = {
        "schema": spec.schema is not UNSET and same(spec.schema, now.schema),
        "expires": spec.expires is not UNSET and spec.expires == now.expires,
        "max_scan": spec.max_scan is not UNSET and spec.max_scan == now.max_scan,
        "rules": spec.rules is not UNSET and not rule_changes(spec.rules, now.rules),
        "before_write": spec.before_write is not UNSET and spec.before_write == now.before_write,
        "indexes": isinstance(spec.indexes, tuple) and not any(index_changes(spec.indexes, now)[:2]),
    }
    flags = {name: bool(getattr(now, name)) for name in FLAGS}
    result: Json = {name: one for name, one in flags.items() if one or name in table}
    for name, value in values.items():
        if agree[name]:
            result[name] = table[name]
        elif value is not None:
            result[name] = _placed(now.name, name, value, table.get(name), folder, files)
    return {name: result[name] for name in sorted(result, key=lambda name: _place(name, table))}


def _placed(collection: str, name: str, value: Any, before: Any, folder: Path, files: dict[Path, str]) -> Any:
    """Return the value itself, or the path of the file to which the value is written."""
    path = before if isinstance(before, str) and name != "expires" else ""
    if not path and _fits_toml(value):
        return value
    path = path or f"{FOLDER}/{collection}.{name}.json"
    if not path.endswith(".json") and not _fits_toml(value):
        path = f"{path.removesuffix('.toml')}.json"
    files[shown(folder / path)] = _text_of(value, folder / path)
    return path


def _check_inside(path: Path, folder: Path) -> None:
    """Check that the path is inside of the folder. Symbolic links, and names from a server, may lead anywhere.

    Raises: Failure.
    """
    if not path.resolve().is_relative_to(folder.resolve()):
        raise Failure("outside_folder", f"{path} is outside of {folder}, so it is not written. Is there a link?")


def _text_of(value: Any, path: Path) -> str:
    if path.suffix == ".json":
        return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
    text = file_text(path)
    gone: Json = {name: {} for name in tomllib.loads(text).keys() - value.keys()}
    return edited(text, {**gone, **value})


def _fits_toml(value: Any) -> bool:
    match value:
        case dict():
            return all(map(_fits_toml, value.values()))
        case list():
            return all(map(_fits_toml, value))
        case int():
            return -LONGEST_INTEGER <= value < LONGEST_INTEGER
        case _:
            return value is not None


def _rules(rules: Rules | None) -> Json | None:
    found: Json = msgspec.to_builtins(rules) if rules is not None else {}
    return found or None


def _indexes(now: Collection) -> list[Json] | None:
    return [msgspec.to_builtins(one) for one in own_indexes(now)] or None


def _tables(present: Mapping[str, msgspec.Struct], kind: type[msgspec.Struct], before: Json) -> Json:
    return {name: _whole(one, kind, before.get(name)) for name, one in present.items()}


def _whole(now: msgspec.Struct, kind: type[msgspec.Struct], table: Json | None) -> Json:
    """Return the table of a pattern of channels. `table`: the present table in the file, or None.

    Settings that have their default value are left out.
    """
    if table is not None and msgspec.convert(table, kind) == now:
        return table
    found, defaults = msgspec.to_builtins(now), msgspec.to_builtins(kind())
    return {name: value for name, value in found.items() if value not in ({}, None, defaults.get(name))}


def _bucket(now: BucketSpec, table: Json | None) -> Json:
    """Return the table of a bucket. `table`: the present table in the file, or None.

    Settings that have their default value are left out, unless the file names them.
    """
    if table is not None and msgspec.convert(table, BucketSpec) == now:
        return table
    found, defaults = msgspec.to_builtins(now), msgspec.to_builtins(BucketSpec())
    return {name: value for name, value in found.items() if value != defaults[name] or name in (table or {})}


def _place(name: str, table: Json) -> int:
    """Return the position of a setting: present settings in the order of the file, and then new settings."""
    return list(table).index(name) if name in table else len(table)


def _function(version: Version, table: Json) -> Json:
    """Return the section of a function. `table`: the present section in the file."""
    settings = {name: value for name, value in table.items() if name != "entry"}
    if msgspec.convert(settings, FunctionConfig) == version.config:
        return table
    shown, defaults = msgspec.to_builtins(version.config), msgspec.to_builtins(FunctionConfig())
    changed = {name: _without_nulls(value) for name, value in shown.items() if value != defaults[name]}
    return {name: table[name] for name in table if name == "entry"} | changed


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list | tuple) else value
