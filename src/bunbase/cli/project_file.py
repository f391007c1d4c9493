"""bunbase.toml of the current folder, or of the nearest folder above that has one.

bunbase.toml names the project of its folder, and holds the settings of its functions and for its users:

    [project]
    id = "prj_…"                    # written by `bunbase projects use`
    slug = "guestbook"

    [functions.hello]
    entry = "src/hello.ts"          # default: functions/hello.ts or functions/hello/index.ts
    access = "public"               # this and every other field of FunctionConfig

    [auth]                          # the settings for users: auth_file.py
    signups = "open"

The tables `[server.…]` of the same file configure the server; this module ignores them.
"""

from __future__ import annotations

import codecs
import os
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from bunbase.cli.errors import Failure, Usage
from bunbase.contracts.functions.deployments import FunctionConfig
from bunbase.pkg.json_bodies import fault_in

NAME: Final = "bunbase.toml"
ALLOWED: Final = ("project", "auth", "functions", "server")
FUNCTION_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")

S = TypeVar("S", bound=msgspec.Struct)


class ProjectSection(msgspec.Struct, frozen=True):
    id: str = ""
    slug: str = ""


class FunctionSection(FunctionConfig, frozen=True, forbid_unknown_fields=True):
    """The section of one function. `entry`: the function's file, relative to bunbase.toml; None: the default file."""

    entry: str | None = None


class ProjectFile(msgspec.Struct, frozen=True):
    """The file's content. `configs`: each function's settings as written; the server fills in the defaults.

    `auth`: the table as written, which `auth_file.py` checks.
    """

    project: ProjectSection = ProjectSection()
    functions: dict[str, FunctionSection] = {}
    configs: dict[str, dict[str, Any]] = {}
    auth: dict[str, Any] = {}


def project_folder() -> Path:
    """Return the folder of the project: the nearest one, from the current folder upwards, that has a bunbase.toml.

    Without a bunbase.toml, return the current folder.
    """
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / NAME).is_file()), here)


def project_file_path() -> Path:
    """Return the path of the project's bunbase.toml for display and reading; the file does not need to exist."""
    folder = project_folder()
    return Path(NAME) if folder == Path.cwd() else folder / NAME


def enter_project_folder() -> Path | None:
    """Make the project's folder the current one. Return it if it was another folder, else None."""
    folder = project_folder()
    if folder == Path.cwd():
        return None
    os.chdir(folder)
    return folder


def read_project_file(path: Path | None = None) -> ProjectFile:
    """Return the file's content, or an empty ProjectFile without a file. Raises: Usage, which lists every mistake."""
    path = path or project_file_path()
    try:
        document = tomllib.loads(_text(path))
    except FileNotFoundError:
        return ProjectFile()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Usage(f"{path} cannot be read as TOML: {error}", "invalid_project_file") from None
    mistakes: list[str] = []
    for name in document.keys() - set(ALLOWED):
        mistakes.append(f"{path}: there is no [{name}]; allowed: {', '.join(ALLOWED)}")
    project = _section(ProjectSection, document.get("project", {}), f"{path} [project]", mistakes)
    functions = _functions(document.get("functions", {}), path, mistakes)
    auth = document.get("auth", {})
    if not isinstance(auth, dict):
        mistakes.append(f"{path}: auth must be a table: [auth]")
    if mistakes:
        raise Usage("\n".join(mistakes), "invalid_project_file")
    configs = {name: _without_entry(document["functions"][name]) for name in functions}
    return ProjectFile(project or ProjectSection(), functions, configs, auth)


def write_project(id: str, slug: str) -> None:
    """Write the project to bunbase.toml, if there is the file; keep the rest of the file, including comments."""
    import tomlkit
    from tomlkit.items import Table

    path = project_file_path()
    try:
        document = tomlkit.parse(_text(path))
    except FileNotFoundError:
        return
    section = document.get("project")
    if not isinstance(section, Table):
        section = tomlkit.table()
        document["project"] = section
    section["id"], section["slug"] = id, slug
    _write(path, tomlkit.dumps(document))


def write_auth(table: dict[str, Any]) -> None:
    """Replace the table `[auth]`; make the file if there is none. The rest of the file stays, including comments."""
    import tomlkit

    path = project_file_path()
    try:
        document = tomlkit.parse(_text(path))
    except FileNotFoundError:
        document = tomlkit.document()
    if "auth" in document:
        document.remove("auth")
    if table:
        document["auth"] = _tables(table)
    _write(path, tomlkit.dumps(document))


def add_function(name: str, settings: dict[str, Any]) -> bool:
    """Add a function's section to bunbase.toml, and return True.

    Return False if there is no such file, or if the file has a section of this function already.
    """
    import tomlkit

    path = Path(NAME)
    try:
        text = _text(path)
    except FileNotFoundError:
        return False
    if name in tomlkit.parse(text).get("functions", {}):
        return False
    section = f"[functions.{name}]\n{settings_lines(settings)}"
    _write(path, f"{text.rstrip()}\n\n{section}" if text.strip() else section)
    return True


def settings_lines(settings: dict[str, Any]) -> str:
    """Return the settings of a function as they stand in its section, one on each line. Nulls are left out."""
    import tomlkit

    return tomlkit.dumps({name: _inline(value) for name, value in settings.items() if value is not None})


def _text(path: Path) -> str:
    return path.read_text("utf-8-sig")  # editors on Windows put a byte order mark before the text


def _write(path: Path, text: str) -> None:
    """Replace the file's content. A byte order mark and Windows line ends stay: only the changed lines differ.

    The file is replaced in one step, so that neither Ctrl-C nor a full disk leaves half of it. Raises: Failure.
    """
    try:
        before = path.read_bytes()
        if b"\r\n" in before:
            text = text.replace("\n", "\r\n")
        mark = codecs.BOM_UTF8 if before.startswith(codecs.BOM_UTF8) else b""
        target = path.resolve()  # a link stays a link
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            beside.write_bytes(mark + text.encode())
            shutil.copymode(target, beside)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise Failure("project_file_unwritable", f"{path} cannot be written: {error.strerror}.") from error


def _inline(value: Any) -> Any:
    """Return a TOML value that fits on one line: a table of several lines would end the function's section."""
    import tomlkit

    match value:
        case list():
            array = tomlkit.array()
            array.extend([_inline(one) for one in value])
            return array
        case dict():
            table = tomlkit.inline_table()
            table.update({name: _inline(one) for name, one in value.items() if one is not None})
            return table
        case _:
            return value


def _tables(content: dict[str, Any]) -> Any:
    """Return a TOML table with tables inside, each under its own heading. `{ env = … }` stays on one line."""
    import tomlkit

    table = tomlkit.table()
    for name, value in content.items():
        if not isinstance(value, dict):
            table.add(name, value)
    for name, value in content.items():
        if isinstance(value, dict):
            table.add(name, _inline(value) if set(value) == {"env"} else _tables(value))
    return table


def _functions(tables: Any, path: Path, mistakes: list[str]) -> dict[str, FunctionSection]:
    if not isinstance(tables, dict):
        mistakes.append(f"{path}: [functions] must be a table of tables, one per function: [functions.hello]")
        return {}
    found = {}
    for name, table in tables.items():
        if not FUNCTION_NAME.fullmatch(name):
            mistakes.append(f"{path} [functions.{name}]: {name_rule(name)}")
            continue
        section = _section(FunctionSection, table, f"{path} [functions.{name}]", mistakes)
        if section is not None:
            found[name] = section
    return found


def name_rule(name: str) -> str:
    return (
        f'a function cannot be called "{name}": a name begins with a lower-case letter and has at most 63 '
        "lower-case letters, digits and hyphens"
    )


def _section(kind: type[S], table: Any, where: str, mistakes: list[str]) -> S | None:
    if not isinstance(table, dict):
        mistakes.append(f"{where}: this must be a table")
        return None
    allowed = kind.__struct_fields__
    unknown = [name for name in table if name not in allowed]
    mistakes += [f"{where}: there is no setting {name}; allowed: {', '.join(allowed)}" for name in unknown]
    try:
        return msgspec.convert({name: table[name] for name in table if name in allowed}, kind)
    except msgspec.ValidationError as error:
        pointer, message = fault_in(error, kind)
        at = f"{pointer[1:].replace('/', '.')}: " if pointer else ""
        mistakes.append(f"{where}: {at}{message}")
        return None


def _without_entry(table: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != "entry"}
