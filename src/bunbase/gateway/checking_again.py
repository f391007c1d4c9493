"""Check the credentials of a request again when its body has arrived.

A body may take hours, in which its key may have been revoked, its user banned, or its project suspended. Before this
check, the upload of a banned user was stored, because only the beginning of a request was checked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bunbase.contracts.bunauth.problems import TokenExpired
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.problems import UserBanned
from bunbase.gateway.cookie_answers import NOTE
from bunbase.gateway.frame import ACTOR, CALLER
from bunbase.gateway.identity import Identity
from bunbase.pkg.errors import Unauthenticated

KEPT = (CALLER, ACTOR, NOTE)


async def check_again(identity: Identity, state: dict[str, Any], identify: Callable[[], Awaitable[Caller]]) -> None:
    """Raise the problem with which the credentials would be refused now.

    A token may expire while a body arrives, because a token lives for minutes only. Then its user must still be there.
    `state`: the state of the request, which stays as it is. `identify`: finds the caller of the request.
    """
    kept = {name: state[name] for name in KEPT if name in state}
    before: Caller = state[CALLER]
    try:
        now = await identify()
        if now.user is None and before.user is not None:
            raise Unauthenticated("The user was signed out while the request arrived.")
    except TokenExpired:
        await _check_person(identity, before)
    finally:
        for name in KEPT:
            state.pop(name, None)
        state.update(kept)


async def _check_person(identity: Identity, before: Caller) -> None:
    """Raises: UserBanned, UserNotFound, ProjectNotFound, Unreachable."""
    if before.user is not None and (await identity.managed_user(before.project, before.user.uid)).banned:
        raise UserBanned("The user was banned while the request arrived.")
    if before.developer is not None and before.project:
        await identity.membership(before.developer.id, before.project)
