"""The table `[auth]` of bunbase.toml: the settings of a project for its users, as `GET /api/projects/{project}/auth`
shows them.

    [auth]
    signups = "open"
    redirect_urls = ["https://app.example.com"]

    [auth.providers.google]
    kind = "google"
    client_id = "1234"
    client_secret = { env = "GOOGLE_SECRET" }   # the secret is in this environment variable, never in this file

Settings that the table does not name keep their values on the server.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, Final

import msgspec
from msgspec.inspect import DictType, StructType, Type, type_info

from bunbase.cli.errors import Usage
from bunbase.contracts.project_file import AuthSection
from bunbase.contracts.tenant_auth.settings import ProjectAuth
from bunbase.pkg.json_bodies import fault_in

SERVERS: Final = (".kind", ".issuer", ".provider")  # if one of these settings changes, the server deletes the secret
DEFAULTS: Final[dict[str, Any]] = msgspec.json.decode(msgspec.json.encode(ProjectAuth()))
SETTINGS: Final = type_info(ProjectAuth)

Json = dict[str, Any]
At = tuple[str, ...]


def checked(table: Json) -> Json:
    """Return the table. Raises: Usage for an unknown setting, a value of the wrong kind, and a secret in the file."""
    for at, value in _leaves(table):
        _check_name(at)
        if _is_secret(at) and _variable(value) is None:
            raise Usage(
                f'{_dotted(at)}: write {{ env = "NAME" }} and put the secret into the environment, because '
                "bunbase.toml is often committed."
            )
    try:
        msgspec.convert(_resolved(table, ()), AuthSection)
    except msgspec.ValidationError as error:
        pointer, message = fault_in(error, AuthSection)
        raise Usage(f"[auth] {pointer[1:].replace('/', '.')}: {message}", "invalid_project_file") from None
    return table


def _resolved(table: Json, at: At) -> Json:
    """Return the table with the values of environment variables. Leave out settings whose variable is not set."""
    result: Json = {}
    for name, value in table.items():
        if (variable := _variable(value)) and not _is_secret((*at, name)):
            if variable in os.environ:
                result[name] = os.environ[variable]
        else:
            result[name] = _resolved(value, (*at, name)) if isinstance(value, dict) else value
    return result


def patch_of(table: Json, shown: Json) -> Json:
    """Return the table as a merge patch, with the secrets of the environment. `shown`: the settings of the server.

    If the variable of a secret is not set, the stored secret stays. Raises: Usage if the server has no such secret, or
    would delete the secret because the patch changes the provider that the secret is for.
    """
    moved = {name.rpartition(".")[0] for name, _, _ in differences(table, shown) if name.endswith(SERVERS)}
    return _patch(table, set(shown["secrets"]) - moved, ())


def _patch(table: Json, stored: set[str], at: At) -> Json:
    result: Json = {}
    for name, value in table.items():
        if variable := _variable(value):
            if secret := os.environ.get(variable):
                result[name] = secret
            elif not _is_secret((*at, name)) or _dotted(at) not in stored:
                raise Usage(f"Set the environment variable {variable}, which {name} in [auth] names.", "missing_secret")
        else:
            result[name] = _patch(value, stored, (*at, name)) if isinstance(value, dict) else value
    return result


def differences(table: Json, shown: Json) -> list[tuple[str, Any, Any]]:
    """Return the settings whose values differ on the server: name, value in the table, value on the server.

    A secret counts as different only if it is missing, because the server never returns a secret.
    """
    found: list[tuple[str, Any, Any]] = []
    for at, value in _leaves(table):
        if _is_secret(at):
            if _dotted(at[:-1]) not in shown["secrets"]:
                found.append((_dotted(at), f"${_variable(value)}", "not set"))
            continue
        if variable := _variable(value):
            value = os.environ.get(variable, f"${variable}")
        there = _value(shown, at)
        if there != value:
            found.append((_dotted(at), value, there))
    return found


def default_of(name: str) -> Any:
    """Return the default of a setting by its dotted name, or None."""
    return _value(DEFAULTS, tuple(name.split(".")))


def pulled(shown: Json, before: Json) -> Json:
    """Return a table with everything that differs from the defaults.

    `before`: the table of the file. Names of variables in this table stay, and so do defaults in this table.
    """
    table = _chosen({name: value for name, value in shown.items() if name in DEFAULTS}, ())
    for at, value in _leaves(before):
        if not _is_secret(at) and _value(table, at) != value and _value(shown, at) == value:
            _put(table, at, value)
    for name in shown["secrets"]:
        at = (*name.split(".", 1), "secret" if name == "captcha" else "client_secret")
        old = _variable(_value(before, at))
        _put(table, at, {"env": old or f"AUTH_{'_'.join(at[:-1]).upper().replace('-', '_')}_SECRET"})
    return table


def _put(table: Json, at: At, value: Any) -> None:
    for step in at[:-1]:
        table = table.setdefault(step, {})
    table[at[-1]] = value


def _chosen(value: Json, at: At) -> Json:
    """Return the settings that differ from the defaults, and all entries whose names the project has chosen."""
    result: Json = {}
    named, defaults = isinstance(_type_at(at), DictType), _defaults_at(at)
    for name, one in value.items():
        if isinstance(one, dict):
            chosen = _chosen(one, (*at, name))
            if chosen or named:
                result[name] = chosen
        elif one is not None and (named or one != defaults.get(name)):
            result[name] = one
    return result


def _leaves(table: Json, at: At = ()) -> Iterator[tuple[At, Any]]:
    for name, value in table.items():
        if isinstance(value, dict) and _variable(value) is None:
            yield from _leaves(value, (*at, name))
        else:
            yield (*at, name), value


def _check_name(at: At) -> None:
    """Raises: Usage for an unknown setting; the message names the most similar setting."""
    for depth in range(1, len(at) + 1):
        inside = _type_at(at[: depth - 1])
        if not isinstance(inside, StructType) or _is_secret(at[:depth]):
            continue
        known = [field.encode_name for field in inside.fields]
        if at[depth - 1] not in known:
            near = get_close_matches(at[depth - 1], known, 1)
            advice = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(sorted(known))}."
            raise Usage(f"[auth] has no setting {_dotted(at[:depth])}.{advice}", "invalid_project_file")


def _type_at(at: At) -> Type | None:
    """Return the type of a setting or of a table of settings, or None if no setting has this name."""
    found: Type | None = SETTINGS
    for name in at:
        match found:
            case StructType(fields=fields):
                found = next((field.type for field in fields if field.encode_name == name), None)
            case DictType(value_type=inner):
                found = inner
            case _:
                return None
    return found


def _defaults_at(at: At) -> Json:
    """Return the defaults of the settings in a table."""
    inside = _type_at(at)
    return msgspec.json.decode(msgspec.json.encode(inside.cls())) if isinstance(inside, StructType) else {}


def _is_secret(at: At) -> bool:
    return at == ("captcha", "secret") or (len(at) == 3 and at[0] == "providers" and at[2] == "client_secret")


def _variable(value: Any) -> str | None:
    """Return the name in a table `{ env = "NAME" }`, or None."""
    if isinstance(value, dict) and set(value) == {"env"} and isinstance(value["env"], str):
        name: str = value["env"]
        return name
    return None


def _value(shown: Json, at: At) -> Any:
    found: Any = shown
    for depth, name in enumerate(at):
        if not isinstance(found, dict):
            return None
        # the project has chosen the name of this entry, so the entry as a whole has no default
        chosen = depth > 0 and isinstance(_type_at(at[: depth - 1]), DictType)
        found = found.get(name, _defaults_at(at[:depth]).get(name) if chosen else None)
    return found


def _dotted(at: At) -> str:
    return ".".join(at)
