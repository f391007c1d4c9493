"""Another process may ask BunKMS only for what its own room made, and only for the owner it was made for.

`house/callers.py` says which methods a room may call at all. Here stands for which owners and contexts: the functions
room seals and opens variables of projects, and cannot open what BunAuth sealed for the instance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bunbase.contracts.bunkms import INSTANCE
from bunbase.pkg.errors import Forbidden


class KeyScope(msgspec.Struct, frozen=True):
    """`instance`: keys of the instance, or else those of projects. `context`: how every context of the room begins."""

    instance: bool = False
    context: str = ""


SCOPES: Final = {
    "bunauth": KeyScope(instance=True, context="bunauth:"),
    "platform": KeyScope(),
    "tenant_auth": KeyScope(),
    "bundoc": KeyScope(context="bundoc/"),
    "functions": KeyScope(context="functions/"),
}


def check_scope(caller: str, method: str, arguments: Mapping[str, Any]) -> None:
    """Raises: Forbidden."""
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
    """A room that was taken over must not take another's directory away from it."""
    if caller != room or caller not in SCOPES:
        raise Forbidden(f"{caller} may not bind the directory of another room.")


def _contexts(arguments: Mapping[str, Any]) -> list[str]:
    return [arguments["context"]] if "context" in arguments else [one.context for one in arguments.get("macs", ())]
