"""The project that a caller acts in, by kind of caller."""

from __future__ import annotations

from typing import assert_never

from bunbase.contracts.caller import Caller, CallerKind, Role
from bunbase.pkg.errors import Forbidden, Unauthenticated


def keyed_project(caller: Caller) -> str:
    """Return the project whose key was sent, publishable or secret. Raises: Unauthenticated."""
    if caller.kind not in (CallerKind.PUBLISHABLE, CallerKind.SECRET) or not caller.project:
        raise Unauthenticated("Send the project's key: X-Bunbase-Key: pk_… or sk_….")
    return caller.project


def managed_project(caller: Caller, role: Role) -> str:
    """Return the project whose users the caller may manage.

    `role`: the least role that a developer needs; the secret key may do everything.
    Raises: Unauthenticated, Forbidden.
    """
    match caller.kind:
        case CallerKind.SECRET:
            pass
        case CallerKind.DEVELOPER:
            caller.need(role)
        case CallerKind.PUBLISHABLE:
            raise Forbidden("Manage users with the project's secret key, from a server.")
        case CallerKind.ANONYMOUS:
            raise Unauthenticated("Send the project's secret key: X-Bunbase-Key: sk_….")
        case _ as never:
            assert_never(never)
    return caller.project
