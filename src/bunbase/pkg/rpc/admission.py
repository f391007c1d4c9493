"""Decide which methods a room in another process may call. All calls that the table does not list are refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bunbase.pkg.errors import Forbidden
from bunbase.pkg.rpc.tokens import Passport

# Both functions take the caller, the method and its arguments, and raise Forbidden to refuse a call. The method is
# `<room>.<method>` for Admit, and only `<method>` for Scope.
Admit = Callable[[Passport, str, Mapping[str, Any]], None]
Scope = Callable[[str, str, Mapping[str, Any]], None]

Table = Mapping[str, Mapping[str, frozenset[str]]]  # The levels are the room, the caller, and the names of methods.

# The table has this entry for programs outside of BunBase. A room signs their tokens, but they may not call the methods
# of that room's own entry.
CLIENTS = "clients"


def admission(table: Table, scopes: Mapping[str, Scope]) -> Admit:
    """Return a function that refuses all calls except those in the table. `scopes`: checks of arguments, by room."""

    def admit(by: Passport, method: str, arguments: Mapping[str, Any]) -> None:
        room, _, name = method.partition(".")
        if by.audience != room:
            raise Forbidden(f"This service token is meant for {by.audience[:64]}: {method} belongs to {room}.")
        caller = CLIENTS if by.client else by.room
        if name not in table.get(room, {}).get(caller, ()):
            raise Forbidden(f"{caller} may not call {method} from another process.")
        if room in scopes:
            scopes[room](caller, name, arguments)

    return admit
