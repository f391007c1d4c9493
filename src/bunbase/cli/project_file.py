"""Read bunbase.toml, from the current folder or the nearest folder above that has this file.

bunbase.toml names the project of its folder, and holds its collections, channels, buckets and functions, and the
settings for its users:

    [project]
    id = "prj_…"                    # written by `bunbase projects use`
    slug = "guestbook"

    [collections.posts]             # any field of CollectionSection
    indexes = [{ fields = ["slug"], unique = true }]

    [channels."rooms/{room}"]       # any field of ChannelSpec
    presence = true

    [buckets.photos]                # any field of BucketChanges
    mime = ["image/*"]

    [functions.hello]
    entry = "src/hello.ts"          # default: functions/hello.ts or functions/hello/index.ts
    access = "public"               # any field of FunctionConfig

    [auth]                          # the settings for users: auth_file.py
    signups = "open"

    [target.staging]                # another place for the project: targets.py
    server = "https://staging.example.com"

The tables `[server.…]` of the same file configure the server; this module ignores them. The module `toml_writing.py`
changes the file.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from bunbase.cli.errors import Usage
from bunbase.contracts.buncast import ChannelSpec
from bunbase.contracts.project_file import (
    CHANNEL_PATTERN,
    COLLECTION_NAME,
    WORD,
    CollectionSection,
    DeploySection,
    FunctionSection,
    ProjectSection,
    ProjectTables,
    TargetSection,
)
from bunbase.contracts.project_file import (
    FUNCTION_NAME as FUNCTION_PATTERN,
)
from bunbase.contracts.storage import BUCKET_NAME, BucketChanges
from bunbase.pkg.json_bodies import fault_in

NAME: Final = "bunbase.toml"
# the file with the JSON Schema for editors, which the first line of bunbase.toml names
SCHEMA: Final = "bunbase.schema.json"
INVALID: Final = "invalid_project_file"
FUNCTION_NAME: Final = re.compile(FUNCTION_PATTERN)

EXAMPLES: Final = {
    "functions": "hello",
    "collections": "posts",
    "channels": '"rooms/{room}"',
    "buckets": "photos",
    "target": "staging",
}
PATTERNS: Final = {
    "functions": FUNCTION_PATTERN,
    "collections": COLLECTION_NAME,
    "channels": CHANNEL_PATTERN,
    "buckets": BUCKET_NAME,
    "target": WORD,
}

S = TypeVar("S", bound=msgspec.Struct)


class ProjectFile(msgspec.Struct, frozen=True):
    """The content of the file. `configs`: each function's settings as written; the server adds the defaults.

    `auth`: the table as written, which `auth_file.py` checks. `folder`: the folder that contains the file.
    """

    project: ProjectSection = ProjectSection()
    functions: dict[str, FunctionSection] = {}
    configs: dict[str, dict[str, Any]] = {}
    auth: dict[str, Any] = {}
    collections: dict[str, CollectionSection] = {}
    targets: dict[str, TargetSection] = {}
    deploy: DeploySection = DeploySection()
    channels: dict[str, ChannelSpec] = {}
    buckets: dict[str, BucketChanges] = {}
    folder: Path = Path()


def project_folder() -> Path:
    """Return the folder of the project: the nearest one, from the current folder upwards, that has a bunbase.toml.

    Without a bunbase.toml, return the current folder.
    """
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / NAME).is_file()), here)


def project_file_path() -> Path:
    """Return the path of the project's bunbase.toml, to show or to read it. The file may not exist."""
    folder = project_folder()
    return Path(NAME) if folder == Path.cwd() else folder / NAME


def enter_project_folder() -> Path | None:
    """Make the project's folder the current folder. Return the project's folder if it was another folder, else None."""
    folder = project_folder()
    if folder == Path.cwd():
        return None
    os.chdir(folder)
    return folder


def read_project_file(path: Path | None = None) -> ProjectFile:
    """Return the file's content, or an empty ProjectFile without a file. Raises: Usage, which lists every mistake."""
    path = path or project_file_path()
    try:
        document = tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return ProjectFile(folder=path.absolute().parent)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Usage(f"{path} cannot be read as TOML: {error}", INVALID) from None
    mistakes: list[str] = []
    for name in sorted(document.keys() - set(ProjectTables.__struct_fields__)):
        mistakes.append(f"{path}: there is no [{name}]{advice(name, ProjectTables.__struct_fields__)}")
    functions = _tables(FunctionSection, "functions", document, path, mistakes)
    auth = document.get("auth", {})
    if not isinstance(auth, dict):
        mistakes.append(f"{path}: auth must be a table: [auth]")
    found = ProjectFile(
        _section(ProjectSection, document.get("project", {}), f"{path} [project]", mistakes) or ProjectSection(),
        functions,
        {name: _without_entry(document["functions"][name]) for name in functions},
        auth,
        _tables(CollectionSection, "collections", document, path, mistakes),
        _tables(TargetSection, "target", document, path, mistakes),
        _section(DeploySection, document.get("deploy", {}), f"{path} [deploy]", mistakes) or DeploySection(),
        _tables(ChannelSpec, "channels", document, path, mistakes),
        _tables(BucketChanges, "buckets", document, path, mistakes),
        path.absolute().parent,
    )
    if mistakes:
        raise Usage("\n".join(mistakes), INVALID)
    return found


def advice(name: str, known: Iterable[str]) -> str:
    """Return a suggestion for a name that does not exist: the most similar name, or all names."""
    near = get_close_matches(name, known, 1)
    return f". Did you mean {near[0]}?" if near else f"; allowed: {', '.join(known)}"


def name_rule(name: str) -> str:
    return _name_rule("function", name)


def _name_rule(kind: str, name: str) -> str:
    if kind == "channel":
        return f'a channel cannot be called "{name[:80]}": a name has 1 to 200 bytes, and no control characters'
    if kind == "bucket":
        return (
            f'a bucket cannot be called "{name[:80]}": a name has 3 to 63 lower-case letters, digits, dots and '
            "hyphens, and begins and ends with a letter or digit"
        )
    if kind == "target":
        return f'a target cannot be called "{name}": a name has at most 63 letters, digits, dots, hyphens and _'
    return (
        f'a {kind} cannot be called "{name}": a name begins with a lower-case letter and has at most 63 '
        f"lower-case letters, digits and {'hyphens' if kind == 'function' else '_'}"
    )


def _tables(kind: type[S], word: str, document: dict[str, Any], path: Path, mistakes: list[str]) -> dict[str, S]:
    """Return the tables below a word such as `[collections]` or `[buckets]`, by their names."""
    one = word.removesuffix("s")
    tables = document.get(word, {})
    if not isinstance(tables, dict):
        mistakes.append(f"{path}: [{word}] must be a table of tables, one per {one}: [{word}.{EXAMPLES[word]}]")
        return {}
    found = {}
    for name, table in tables.items():
        if not re.fullmatch(PATTERNS[word], name):
            mistakes.append(f"{path} [{word}.{name}]: {_name_rule(one, name)}")
            continue
        section = _section(kind, table, f"{path} [{word}.{name}]", mistakes)
        if section is not None:
            found[name] = section
    return found


def _section(kind: type[S], table: Any, where: str, mistakes: list[str]) -> S | None:
    if not isinstance(table, dict):
        mistakes.append(f"{where}: this must be a table")
        return None
    allowed = kind.__struct_fields__
    unknown = [name for name in table if name not in allowed]
    mistakes += [f"{where}: there is no setting {name}{advice(name, allowed)}" for name in unknown]
    try:
        return msgspec.convert({name: table[name] for name in table if name in allowed}, kind)
    except msgspec.ValidationError as error:
        pointer, message = fault_in(error, kind)
        at = f"{pointer[1:].replace('/', '.')}: " if pointer else ""
        mistakes.append(f"{where}: {at}{message}")
        return None


def _without_entry(table: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != "entry"}
