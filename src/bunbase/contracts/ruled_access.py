"""Check the scopes and the role of a caller, before the rules of a collection or channel decide about some callers."""

from __future__ import annotations

from bunbase.contracts.bundoc.problems import RuleDenied
from bunbase.contracts.caller import Act, Caller, CallerKind


def check_access(caller: Caller, act: Act, denied: str, collection: str = "") -> bool:
    """Check the scopes or the role of a caller. Return True if rules then decide about this caller.

    The secret key may do everything that its scopes allow. Members of the project may do everything that their roles
    allow. A key that acts as a user may do only the acts that both its scopes and the rules allow. `denied`: the
    message for a caller who has no access at all. Raises: RuleDenied, Forbidden, InsufficientScope.
    """
    match caller.kind:
        case CallerKind.SECRET:
            if caller.scopes is not None or caller.developer is not None:
                caller.check_scope(act, collection)
            return False
        case CallerKind.PUBLISHABLE:
            if caller.scopes is not None:
                caller.check_scope(act, collection)
            return True
        case CallerKind.DEVELOPER:
            caller.check(act, collection)
            return False
        case _:
            raise RuleDenied(denied)
