"""The rights of callers in channels, before the rules."""

from __future__ import annotations

from typing import Final

from bunbase.contracts.bundoc.problems import RuleDenied
from bunbase.contracts.caller import Act, Caller, CallerKind

DENIED: Final = "The rules of this channel do not allow this."


def bound_by_rules(caller: Caller, act: Act) -> bool:
    """True if rules decide for this caller. The secret key may do everything that its scopes allow, and members of the
    project what their roles allow.

    Raises: RuleDenied for callers without a key, Forbidden, InsufficientScope.
    """
    match caller.kind:
        case CallerKind.SECRET:
            if caller.scopes is not None or caller.developer is not None:
                caller.check_scope(act)
            return False
        case CallerKind.PUBLISHABLE:
            if caller.scopes is not None:
                caller.check_scope(act)
            return True
        case CallerKind.DEVELOPER:
            caller.check(act)
            return False
        case _:
            raise RuleDenied(DENIED)


def limited_name(caller: Caller) -> str:
    """Return the name under which the limits of one caller count it: its user, or the address of a visitor.

    Return "" for servers and members of the project, which have no limits of their own.
    """
    return caller.counted_as if caller.kind is CallerKind.PUBLISHABLE else ""


def denied(what: str, channel: str) -> RuleDenied:
    """Return the RuleDenied for a rule that is missing or false. `what`: the name of the rule."""
    return RuleDenied(DENIED, rule=what, channel=channel)
