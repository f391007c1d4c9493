"""Find the project in which a caller acts, and refuse callers that may not act in a project."""

from __future__ import annotations

from typing import assert_never

from bunbase.contracts.caller import Act, Caller, CallerKind
from bunbase.pkg.errors import Forbidden, Unauthenticated
from bunbase.pkg.languages import asked_for


def keyed_project(caller: Caller) -> str:
    """Return the project of the caller's key, publishable or secret. Raises: Unauthenticated."""
    if caller.kind not in (CallerKind.PUBLISHABLE, CallerKind.SECRET) or not caller.project:
        raise Unauthenticated("Send the project's key: X-Bunbase-Key: pk_… or sk_….")
    return caller.project


def linked_project(caller: Caller) -> str:
    """Return the project of a link in a mail: the project of the caller's key, or the project in the URL of a page.

    Raises: Unauthenticated.
    """
    if caller.kind is CallerKind.ANONYMOUS and caller.project:
        return caller.project
    return keyed_project(caller)


def managed_project(caller: Caller, act: Act) -> str:
    """Return the project whose users the caller may manage.

    The caller must be the secret key, or a member whose role permits the action. The scopes of the caller must also
    permit the action. Raises: Unauthenticated, Forbidden, InsufficientScope.
    """
    match caller.kind:
        case CallerKind.SECRET | CallerKind.DEVELOPER:
            caller.check(act)
        case CallerKind.PUBLISHABLE:
            raise Forbidden("Only the project's secret key can manage users. Use it from a server.")
        case CallerKind.ANONYMOUS:
            raise Unauthenticated("Send the project's secret key: X-Bunbase-Key: sk_….")
        case _ as never:
            assert_never(never)
    return caller.project


def first_language(caller: Caller) -> str:
    """Return the language that the caller's browser prefers, or "" if it names none."""
    return next(iter(asked_for(caller.accept_language)), "")
