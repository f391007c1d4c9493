"""On whose behalf a function asks."""

from __future__ import annotations

from typing import Literal, assert_never

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.functions.workers.asks import Ask

Power = Literal["project", "caller", "visitor"]


def caller_of(ask: Ask, power: Power) -> Caller:
    """`project`: all that the secret key may; `caller`: what this call's signed-in user may; `visitor`: nobody's.

    There is no way to name another user: a function that needs more than its caller has the project's power anyway,
    and an identity of its own making (role, claims) would make every rule that reads them a lie.
    """
    project, depth = ask.deployment.project, ask.request.depth
    match power:
        case "project":
            return Caller(CallerKind.SECRET, project=project, depth=depth)
        case "caller":
            return Caller(CallerKind.PUBLISHABLE, project=project, user=ask.request.user, depth=depth)
        case "visitor":
            return Caller(CallerKind.PUBLISHABLE, project=project, depth=depth)
        case _ as never:
            assert_never(never)
