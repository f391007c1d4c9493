"""The methods that a room of another process may call; without an entry the answer is no."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bunbase.pkg.errors import Forbidden
from bunbase.pkg.rpc.tokens import Passport

# both take the caller, the name of the method (whole, or within its room) and the arguments; both raise Forbidden
Admit = Callable[[Passport, str, Mapping[str, Any]], None]
Scope = Callable[[str, str, Mapping[str, Any]], None]

Table = Mapping[str, Mapping[str, frozenset[str]]]  # room → caller → names of methods

CLIENTS = "clients"  # programs outside that a room vouches for: callers of their own, whatever that room may call


def admission(table: Table, scopes: Mapping[str, Scope]) -> Admit:
    """Admit what the table names; `scopes`: rooms that look at arguments too."""

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
