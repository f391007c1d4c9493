"""The rights of callers in channels, before the rules."""

from __future__ import annotations

from typing import Final

from bunbase.contracts import ruled_access
from bunbase.contracts.bundoc.problems import RuleDenied
from bunbase.contracts.caller import Act, Caller, CallerKind

DENIED: Final = "The rules of this channel do not allow this."


def check_access(caller: Caller, act: Act) -> bool:
    """Check the scopes or the role of a caller. Return True if rules then decide about this caller.

    Raises: RuleDenied for callers without a key, Forbidden, InsufficientScope.
    """
    return ruled_access.check_access(caller, act, DENIED)


def limited_name(caller: Caller) -> str:
    """Return the name under which limits count a caller: its user, or the address of a visitor.

    Return "" for servers and members of the project, which are not limited one by one.
    """
    return caller.counted_as if caller.kind is CallerKind.PUBLISHABLE else ""


def denied(what: str, channel: str) -> RuleDenied:
    """Return the RuleDenied for a rule that is missing or false. `what`: the name of the rule."""
    return RuleDenied(DENIED, rule=what, channel=channel)
