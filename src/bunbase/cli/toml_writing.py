"""Change bunbase.toml and leave the rest of the file as it is: comments, order, line ends and a byte order mark.

The file is replaced in one step. Every change is verified: the new text is parsed again, and must contain exactly the
wanted values. If the TOML library cannot change a table in place, the whole table is written again.
"""

from __future__ import annotations

import codecs
import tomllib
from pathlib import Path
from typing import Any, Final

import msgspec

from bunbase.cli.errors import Failure
from bunbase.cli.project_file import NAME, project_file_path
from bunbase.cli.replaced_files import replace_file

# each table inside of these tables gets its own heading
HEADED: Final = frozenset({"collections", "functions", "target"})
# a line has at most this number of characters; a longer value takes several lines, or gets its own heading
LINE: Final = 100

Json = dict[str, Any]


def file_text(path: Path) -> str:
    """Return the text without a byte order mark, which some editors on Windows add at the start."""
    return path.read_text("utf-8-sig")


def write_project(id: str, slug: str) -> None:
    """Write the project to bunbase.toml if the file exists. Keep the rest of the file, including comments."""
    path = project_file_path()
    try:
        text = file_text(path)
    except FileNotFoundError:
        return
    section = tomllib.loads(text).get("project", {})
    section = section if isinstance(section, dict) else {}
    write_file(path, edited(text, {"project": {**section, "id": id, "slug": slug}}))


def write_target_project(target: str, project: str) -> None:
    """Write the project of a target that is defined in bunbase.toml."""
    path = project_file_path()
    text = file_text(path)
    targets = tomllib.loads(text)["target"]
    write_file(path, edited(text, {"target": {**targets, target: {**targets[target], "project": project}}}))


def write_tables(tables: Json) -> None:
    """Write these tables to bunbase.toml. Create the file if it does not exist. Remove tables that are empty."""
    path = project_file_path()
    text = file_text(path) if path.exists() else ""
    write_file(path, edited(text, tables))


def add_function(name: str, settings: Json) -> bool:
    """Add a function's section to bunbase.toml, and return True.

    Return False if the file does not exist, or if it already has a section for this function.
    """
    path = Path(NAME)
    try:
        text = file_text(path)
    except FileNotFoundError:
        return False
    if name in tomllib.loads(text).get("functions", {}):
        return False
    section = f"[functions.{name}]\n{settings_lines(settings)}"
    write_file(path, f"{text.rstrip()}\n\n{section}" if text.strip() else section)
    return True


def settings_lines(settings: Json) -> str:
    """Return the settings of a function as text for its section, one setting per line. Leave out nulls."""
    import tomlkit

    return tomlkit.dumps({name: _inline(value) for name, value in settings.items() if value is not None})


def edited(text: str, wanted: Json) -> str:
    """Return the text with these tables at its top level. Remove empty tables. All other tables stay.

    Raises: Failure.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    after = {name: value for name, value in {**tomllib.loads(text), **wanted}.items() if value or name not in wanted}
    for change in (_merge, _replace):
        document = tomlkit.parse(text)
        try:
            for name, table in wanted.items():
                change(document, name, table)
            result = tomlkit.dumps(document)
            if same(tomllib.loads(result), after):
                return result
        except (TOMLKitError, tomllib.TOMLDecodeError, ValueError, TypeError, KeyError, AttributeError):
            continue  # the library cannot change this table in place, so the loop continues with the next way
    raise Failure("project_file_unwritable", f"The tables {', '.join(wanted)} of the file cannot be changed in place.")


def same(one: Any, other: Any) -> bool:
    """True if both values are the same JSON. The operator == would treat 1, 1.0 and True as equal."""
    return msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")


def write_file(path: Path, text: str) -> None:
    """Replace the file's content. Keep a byte order mark and Windows line ends, so that only the changed lines differ.

    The file is replaced in one step, so that neither Ctrl-C nor a full disk leaves an incomplete file. Raises: Failure.
    """
    try:
        before = path.read_bytes() if path.exists() else b""
        if b"\r\n" in before:
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        replace_file(path, f"\ufeff{text}" if before.startswith(codecs.BOM_UTF8) else text)
    except OSError as error:
        raise Failure("project_file_unwritable", f"{path} cannot be written: {error.strerror}.") from error


def _merge(container: Any, name: str, value: Any) -> None:
    """Set a value, and change only the parts that differ."""
    from tomlkit.items import AoT, InlineTable

    made = _inline if isinstance(container, InlineTable) else _item
    if name not in container:
        if not (value == {} and hasattr(container, "body")):
            container[name] = _table(value, heads=True) if name in HEADED and isinstance(value, dict) else made(value)
        return
    old = container[name]
    if value == {} and hasattr(container, "body"):
        _remove(container, name)
    elif same(_plain(old), value):
        return
    elif isinstance(value, dict) and hasattr(old, "items"):
        _merge_table(old, value)
    elif isinstance(old, AoT) and isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        for place, one in enumerate(value[: len(old)]):
            _merge_table(old[place], one)
        del old[len(value) :]
        for one in value[len(old) :]:
            old.append(_table(one))
    else:
        container[name] = made(value)


def _merge_table(table: Any, value: Json) -> None:
    for gone in [name for name in table if name not in value]:
        _remove(table, gone)
    for name, one in value.items():
        _merge(table, name, one)


def _remove(parent: Any, name: str) -> None:
    """Remove a value. Comments at the end of a table stay, because they usually belong to the next table."""
    from tomlkit.items import Table, Whitespace

    container = parent.value if isinstance(parent, Table) else parent
    comments = _last_comments(container[name])
    body = getattr(container, "body", [])
    places = [place for place, (key, _) in enumerate(body) if key is not None and key.key == name]
    del parent[name]
    if "#" in comments and len(places) == 1:
        body[places[0]] = (None, Whitespace(comments))


def _last_comments(item: Any) -> str:
    """Return the comments and empty lines after the last value of a table."""
    from tomlkit.items import AoT, Table

    if isinstance(item, AoT):
        return _last_comments(item[-1]) if len(item) else ""
    if not isinstance(item, Table):
        return ""
    text = ""
    for key, one in reversed(item.value.body):
        if key is not None:
            return _last_comments(one) + text
        text = one.as_string() + text
    return text


def _replace(container: Any, name: str, value: Any) -> None:
    if name in container:
        _remove(container, name)
    if value != {}:
        container[name] = _table(value, heads=True) if name in HEADED and isinstance(value, dict) else _item(value)


def _plain(item: Any) -> Any:
    return item.unwrap() if hasattr(item, "unwrap") else item


def _item(value: Any) -> Any:
    """Return a TOML item for a new value. Tables that are too long for a line get their own headings."""
    return _table(value) if isinstance(value, dict) else _inline(value)


def _table(content: Json, heads: bool = False) -> Any:
    """Return a TOML table: first the values, each on its own line, then the tables, each below its own heading.

    `heads`: short tables also get a heading.
    """
    import tomlkit

    short = [
        name for name, value in content.items() if not isinstance(value, dict) or (not heads and _is_short(name, value))
    ]
    table = tomlkit.table(is_super_table=bool(content) and not short)
    for name, value in content.items():
        if name in short:
            table.add(name, _inline(value))
    for name, value in content.items():
        if name not in short:
            table.add(name, _table(value))
    return table


def _is_short(name: str, value: Any) -> bool:
    """True if a table fits on one line and contains no nested tables, as is always true for `{ env = … }`.

    A schema usually has nested tables, and is easier to read below its heading.
    """
    return len(name) + len(msgspec.json.encode(value)) < LINE and (not value or _depth(value) <= 1)


def _depth(value: Any) -> int:
    """Return the depth of nested tables."""
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _inline(value: Any) -> Any:
    """Return a TOML value without headings. A list that is too long for a line is written on several lines."""
    import tomlkit

    match value:
        case list() | tuple():
            array = tomlkit.array()
            array.extend([_inline(one) for one in value])
            return array.multiline(len(msgspec.json.encode(value)) > LINE)
        case dict():
            table = tomlkit.inline_table()
            table.update({name: _inline(one) for name, one in value.items() if one is not None})
            return table
        case str():
            return _string(value)
        case _:
            return value


def _string(value: str) -> Any:
    """Return a string with the escapes of JSON, which are valid in TOML 1.0. tomlkit would use escapes of TOML 1.1."""
    from tomlkit.items import String, StringType, Trivia

    escaped = msgspec.json.encode(value).decode()[1:-1].replace("\x7f", "\\u007f")
    return String(StringType.SLB, value, escaped, Trivia())
