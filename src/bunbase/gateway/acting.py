"""Requests in the place of a user: X-Bunbase-As together with a secret key, a service token or a member's token.

The rules bind the caller that this file makes in the same way as they bind the user. The caller keeps the scopes of its
credential, and its field `act` shows rooms who sends the request. docs/decisions/0073-acting-as-a-user-only-narrows.md
has the reasons.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from bunbase.contracts.acts import Act
from bunbase.contracts.caller import Caller, CallerKind, EndUser
from bunbase.contracts.scopes import SOME_COLLECTION
from bunbase.contracts.tenant_auth.problems import ActingRefused, UserBanned
from bunbase.contracts.tenant_auth.users import USER_ID
from bunbase.gateway.credentials import AS_HEADER
from bunbase.gateway.identity import Identity
from bunbase.pkg.errors import InvalidInput

HEADER: Final = AS_HEADER.title()
NOBODY: Final = "-"  # This value stands for a visitor who is not signed in.
PROVIDER: Final = "impersonation"  # The tokens of `POST /v1/auth/users/{user_id}/impersonate` have the same value.
TAKING: Final = frozenset({"accessor", "guest", "visitor"})  # These kinds of callers may act as a user.
SERVERS: Final = frozenset({CallerKind.SECRET, CallerKind.DEVELOPER})
KNOWN: Final = re.compile(USER_ID)


def check_takes(kind: str, act: Act | None) -> Act:
    """Return the act of a route that accepts the header. Other routes would ignore the header and use all rights.

    Raises: InvalidInput.
    """
    if kind not in TAKING or act is None:
        raise InvalidInput.at(HEADER, "Only documents, files and calls of functions take this header. Leave it out.")
    return act


async def acting_as(identity: Identity, caller: Caller, act: Act, asked: str) -> Caller:
    """Return the caller with the rights of a user, or of a visitor. `asked`: the value of the header.

    Raises: ActingRefused, InvalidInput, Forbidden, InsufficientScope, UserNotFound, UserBanned, Unreachable.
    """
    if caller.kind not in SERVERS:
        raise ActingRefused("Send this header only beside a secret key, a service token or a member's token.")
    if caller.user is not None:
        raise InvalidInput.at(HEADER, "Send either the access token of a user or this header.")
    if asked != NOBODY and not KNOWN.fullmatch(asked):
        raise InvalidInput.at(HEADER, "Send the id of a user, or - for a visitor who is not signed in.")
    caller.check(act, SOME_COLLECTION)
    actor = caller.developer.id if caller.developer else caller.key
    user = None if asked == NOBODY else await _user(identity, caller, act, asked, actor)
    return msgspec.structs.replace(
        caller, kind=CallerKind.PUBLISHABLE, user=user, act=actor, scopes=caller.limits, developer=None, role=None
    )


async def _user(identity: Identity, caller: Caller, act: Act, uid: str, actor: str) -> EndUser:
    """Return the user with current values. Functions trust their caller, so calls need the right to impersonate."""
    if act is Act.FUNCTION_INVOKE:
        caller.check(Act.USER_IMPERSONATE)
    found = await identity.managed_user(caller.project, uid)
    if found.banned:
        raise UserBanned("This user is banned, so nobody can act in the user's place.")
    return EndUser(
        found.id,
        found.email,
        found.role,
        found.claims,
        session="",
        verified=found.email_verified,
        provider=PROVIDER,
        anonymous=found.anonymous,
        act=actor,
    )
