"""The rights with which a function makes a host call."""

from __future__ import annotations

from typing import Literal, assert_never

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.functions.workers.asks import Ask

Power = Literal["project", "caller", "visitor"]


def caller_of(ask: Ask, power: Power) -> Caller:
    """Return the Caller for one of the three kinds of rights.

    `project`: the rights of the secret key. `caller`: the rights of the signed-in user of this call. `visitor`: the
    rights of a client without a signed-in user.

    A function cannot act as another user, because it could invent a role or claims, and rules would trust them. If a
    function needs more rights than its caller has, it can use the rights of the project.
    """
    project, depth, hook = ask.deployment.project, ask.request.depth, ask.request.hook
    match power:
        case "project":
            return Caller(CallerKind.SECRET, project=project, depth=depth, hook=hook)
        case "caller":
            return Caller(CallerKind.PUBLISHABLE, project=project, user=ask.request.user, depth=depth, hook=hook)
        case "visitor":
            return Caller(CallerKind.PUBLISHABLE, project=project, depth=depth, hook=hook)
        case _ as never:
            assert_never(never)
