"""Decides whether a caller may call a function."""

from __future__ import annotations

from typing import assert_never

from bunbase.contracts.caller import Act, Caller, CallerKind
from bunbase.contracts.functions.deployments import Access
from bunbase.pkg.errors import Forbidden, Unauthenticated


def admit(caller: Caller, access: Access) -> None:
    """Check that the caller may call a function. The secret key and the project's developers may call every function.

    Raises: Unauthenticated, Forbidden.
    """
    match caller.kind:
        case CallerKind.SECRET | CallerKind.DEVELOPER:
            caller.check(Act.FUNCTION_INVOKE)
        case CallerKind.PUBLISHABLE:
            _admit_key(caller, access)
        case CallerKind.ANONYMOUS:
            if access is not Access.PUBLIC:
                raise Unauthenticated("This function is not public. Send the project's key as X-Bunbase-Key.")
        case _ as never:
            assert_never(never)


def _admit_key(caller: Caller, access: Access) -> None:
    match access:
        case Access.PUBLIC | Access.KEY:
            return
        case Access.USER:
            caller.end_user(impersonated=True)
        case Access.SECRET:
            raise Forbidden("This function requires the project's secret key. Call it from a server.")
        case _ as never:
            assert_never(never)
