"""The owners and contexts for which a room in another process may call BunKMS.

`house/callers.py` lists the methods that a room may call. This module restricts the arguments of the methods in that
table. For example, the functions room may seal and unseal variables of projects, but may not unseal the keys that
BunAuth has sealed for the instance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bunbase.contracts.bunkms import INSTANCE
from bunbase.pkg.errors import Forbidden


class KeyScope(msgspec.Struct, frozen=True):
    """The scope of one room. `instance`: True for keys of the instance, False for keys of projects; `context`: the
    prefix of all contexts of the room.
    """

    instance: bool = False
    context: str = ""


SCOPES: Final = {
    "bunauth": KeyScope(instance=True, context="bunauth:"),
    "platform": KeyScope(context="platform/"),
    "tenant_auth": KeyScope(context="tenant_auth:"),
    "bundoc": KeyScope(context="bundoc/"),
    "storage": KeyScope(context="storage/"),
    "functions": KeyScope(context="functions/"),
}


def check_scope(caller: str, method: str, arguments: Mapping[str, Any]) -> None:
    """Check the arguments of a call from another room. Raises: Forbidden."""
    if method == "bind_directory":
        _check_room(caller, arguments["room"])
        return
    scope = SCOPES.get(caller)
    if scope is None or (arguments["owner"] == INSTANCE) != scope.instance:
        raise Forbidden(f"{caller} may not call bunkms.{method} for this owner.")
    for context in _contexts(arguments):
        if not context.startswith(scope.context):
            raise Forbidden(f"{caller} may call bunkms.{method} only for contexts that begin with {scope.context}")


def _check_room(caller: str, room: str) -> None:
    """Refuse a room that binds the directory of another room, because an attacker could take the directory away in this
    way.
    """
    if caller != room or caller not in SCOPES:
        raise Forbidden(f"{caller} may not bind the directory of another room.")


def _contexts(arguments: Mapping[str, Any]) -> list[str]:
    return [arguments["context"]] if "context" in arguments else [one.context for one in arguments.get("macs", ())]
