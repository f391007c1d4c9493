"""Read the settings of every room, and remember the source of each value.

The sources, from the weakest to the strongest: the Struct's default; `[server.<room>]` in bunbase.toml;
`BUNBASE_<ROOM>__<NAME>` in the environment; flags `<room>.<name>=<value>`. All mistakes are reported together.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from bunbase.pkg.config.described import default_of, descriptions
from bunbase.pkg.errors import CannotStart
from bunbase.pkg.plain_messages import plain

S = TypeVar("S", bound=msgspec.Struct)

PREFIX = "BUNBASE_"
SECRET = re.compile(r"secret|password(?!s_)|master_key|setup_token|database_url")
MASK = "********"
DEFAULT = "default"


class ConfigError(CannotStart):
    """The message lists all mistakes in the configuration, one per line."""


@dataclass(frozen=True)
class Value:
    """The value of one setting. `room` and `name` identify the setting, and `origin` is the source that set it."""

    room: str
    name: str
    value: Any
    origin: str
    default: Any = None
    description: str = ""

    @property
    def shown(self) -> str:
        """Return the value as JSON for display. Secrets and URLs with a password are masked, also inside tables."""
        if not self.value or not SECRET.search(self.name):
            return msgspec.json.encode(_masked(msgspec.to_builtins(self.value))).decode()
        return MASK


class Config:
    def __init__(self, sections: Mapping[str, msgspec.Struct], values: list[Value]) -> None:
        self.sections = sections
        self.values = values

    def of(self, room: str, kind: type[S]) -> S:
        section = self.sections[room]
        if not isinstance(section, kind):
            raise TypeError(f"the settings of {room} are {type(section).__name__}, not {kind.__name__}")
        return section


def load_config(
    kinds: Mapping[str, type[msgspec.Struct]],
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    aliases: Mapping[str, str] | None = None,
) -> Config:
    """Return the settings of every room in `kinds`. A file that does not exist counts as empty.

    `aliases`: short names of variables, such as `{"BUNBASE_PORT": "BUNBASE_GATEWAY__PORT"}`; the full name wins.

    Raises: ConfigError, whose message lists each wrong key or value, its source, and the allowed keys or values.
    """
    environment = os.environ if environment is None else environment
    mistakes: list[str] = []
    given: dict[tuple[str, str], tuple[Any, str]] = {}
    given |= _from_file(kinds, file, mistakes)
    given |= _from_environment(kinds, environment, aliases or {}, mistakes)
    given |= _from_flags(kinds, flags or {}, mistakes)
    sections, values = {}, []
    for room, kind in kinds.items():
        fields = _checked(room, kind, given, mistakes)
        if mistakes:
            continue
        sections[room] = kind(**fields)
        meanings = descriptions(kind)
        for name in kind.__struct_fields__:
            origin = given[room, name][1] if (room, name) in given else DEFAULT
            value, default = getattr(sections[room], name), default_of(kind, name)
            values.append(Value(room, name, value, origin, default, meanings.get(name, "")))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return Config(sections, values)


Given = dict[tuple[str, str], tuple[Any, str]]


def _from_file(kinds: Mapping[str, type[msgspec.Struct]], file: Path | None, mistakes: list[str]) -> Given:
    if file is None or not file.exists():
        return {}
    try:
        document = tomllib.loads(file.read_text("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        mistakes.append(f"{file}: the file is not valid TOML: {error}")
        return {}
    except OSError as error:
        mistakes.append(f"{file}: the file cannot be read: {error.strerror}")
        return {}
    given: Given = {}
    server = document.get("server", {})
    if not isinstance(server, dict):
        mistakes.append(f"{file}: [server] must be a table of tables, one per room")
        return {}
    for room, section in server.items():
        where = f"{file} [server.{room}]"
        if room not in kinds or not isinstance(section, dict):
            mistakes.append(f"{where}: there is no such room; allowed: {', '.join(kinds)}")
            continue
        for name, value in section.items():
            if name in kinds[room].__struct_fields__:
                given[room, name] = (value, where)
            else:
                mistakes.append(_unknown(kinds[room], name, where))
    return given


def _from_environment(
    kinds: Mapping[str, type[msgspec.Struct]],
    environment: Mapping[str, str],
    aliases: Mapping[str, str],
    mistakes: list[str],
) -> Given:
    given: Given = {}
    short = [(variable, full) for variable, full in aliases.items() if full not in environment]
    named = [(variable, variable) for variable in environment if variable.startswith(PREFIX) and "__" in variable]
    for variable, full in [*short, *named]:
        text = environment.get(variable, "")
        if not text:
            continue  # An empty variable counts as not set.
        room, _, name = full.removeprefix(PREFIX).lower().partition("__")
        if room not in kinds:
            mistakes.append(f"{variable}: there is no room {room}; allowed: {', '.join(kinds)}")
        elif name not in kinds[room].__struct_fields__:
            mistakes.append(_unknown(kinds[room], name, variable))
        else:
            given[room, name] = (_read(text, kinds[room], name), variable)
    return given


def _from_flags(kinds: Mapping[str, type[msgspec.Struct]], flags: Mapping[str, str], mistakes: list[str]) -> Given:
    given: Given = {}
    for flag, text in flags.items():
        room, _, name = flag.partition(".")
        if room in kinds and name in kinds[room].__struct_fields__:
            given[room, name] = (_read(text, kinds[room], name), f"--set {flag}")
        else:
            allowed = _unknown(kinds[room], name, f"--set {flag}") if room in kinds else ""
            mistakes.append(allowed or f"--set {flag}: there is no room {room}; allowed: {', '.join(kinds)}")
    return given


def _read(text: str, kind: type[msgspec.Struct], name: str) -> Any:
    """Return the value of a text. Lists and tables are decoded as JSON; any other text is returned unchanged."""
    if text[:1] in "[{":
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text


def _checked(room: str, kind: type[msgspec.Struct], given: Given, mistakes: list[str]) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    fields = {}
    for (of, name), (value, origin) in given.items():
        if of != room:
            continue
        try:
            fields[name] = msgspec.convert(value, hints[name], strict=not isinstance(value, str))
        except msgspec.ValidationError as error:
            shown = MASK if SECRET.search(f"{name} {value!r}") else repr(value)
            advice = _choices(hints[name]) or (_as_json(value, hints[name], shown) if isinstance(value, str) else "")
            mistakes.append(f"{origin}: {room}.{name} = {shown}: {plain(str(error))}{advice}")
    return fields


def _masked(value: Any) -> Any:
    """Return the value with a mask for each member whose name shows that it is a secret, such as `password`."""
    if isinstance(value, dict):
        return {name: MASK if one and SECRET.search(str(name)) else _masked(one) for name, one in value.items()}
    return [_masked(one) for one in value] if isinstance(value, list) else value


def _choices(hint: Any) -> str:
    """Return the allowed words of a setting as part of a message, because msgspec's own message does not list them."""
    if get_origin(hint) is Literal:
        return f"; allowed: {', '.join(map(str, get_args(hint)))}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"; allowed: {', '.join(str(one.value) for one in hint)}"
    return ""


def _as_json(text: str, hint: Any, shown: str) -> str:
    """Return an explanation of how to write this list or table as JSON. `text`: the value that was set."""
    kind = get_origin(get_args(hint)[0]) if get_origin(hint) is Annotated else get_origin(hint)
    if kind is tuple:
        return f"; write a list as JSON: '{msgspec.json.encode([text if shown != MASK else MASK]).decode()}'"
    return """; write a table as JSON: '{"name": "value"}'""" if kind is dict else ""


def _unknown(kind: type[msgspec.Struct], name: str, where: str) -> str:
    return f"{where}: there is no setting {name}; allowed: {', '.join(kind.__struct_fields__) or 'none'}"
