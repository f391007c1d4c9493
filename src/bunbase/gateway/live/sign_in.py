"""The sign-in of a live connection: from key and token to a Caller, and to the credentials that may be revoked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.scopes import InsufficientScope
from bunbase.contracts.service_accounts import TOKEN_TYPE
from bunbase.gateway.clients import Clients, caller_of
from bunbase.gateway.credentials import (
    EXPLAIN_HEADER,
    MAX_LENGTH,
    PROJECT_HEADER,
    PROJECT_PARAMETER,
    Sender,
    bearer_token,
    project_key,
    sent_once,
)
from bunbase.gateway.explaining import credentials_of
from bunbase.gateway.identity import Identity
from bunbase.gateway.live.problems import NoLiveSignIn
from bunbase.gateway.origins import check_origin
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.jwt import key_id, unverified_claims

TRIES = 5  # News about revocations may come during a check. In this case, the check is repeated, up to this many times.


class Offered(msgspec.Struct, frozen=True):
    """The credentials that a client sends, of one of three kinds.

    The first kind is `key` with the token of an end user ("" for no user). The second kind is the token of a service.
    The third kind is the token of a developer with `project`, which is an id or a slug. `explain`: the value of the
    header X-Bunbase-Explain.
    """

    key: str = ""
    token: str = ""
    project: str = ""
    explain: str = ""


class SignedIn(msgspec.Struct, frozen=True):
    """A checked sign-in. `credentials`: the ids under which the sign-in may be revoked.

    `expires_at`: the end of the sign-in, in Unix seconds.
    """

    offered: Offered
    caller: Caller
    credentials: tuple[str, ...]
    expires_at: float

    @property
    def user(self) -> str:
        """The id of the end user or developer; "" if there is neither."""
        caller = self.caller
        return caller.user.uid if caller.user else caller.developer.id if caller.developer else ""

    @property
    def counted_as(self) -> tuple[str, str]:
        """The project and the user for which the connection counts."""
        return self.caller.project, self.user


class SignIn:
    def __init__(self, identity: Identity, clients: Clients) -> None:
        self.identity = identity
        self.clients = clients

    async def check(self, sender: Sender, origin: str | None, offered: Offered) -> SignedIn:
        """Check a sign-in. The result includes all revocations that this process gets until this method returns.

        Raises: NoLiveSignIn, InvalidKey, InvalidToken, TokenExpired, ProjectNotFound, InsufficientScope,
        OriginNotAllowed, SecretKeyInBrowser, RateLimited, Unreachable.
        """
        for _ in range(TRIES):
            epoch = self.identity.epoch
            signed = await self._checked(sender, origin, offered)
            if epoch == self.identity.epoch:
                return signed
        raise Unreachable("Credentials change too fast to be checked: try again.")

    async def _checked(self, sender: Sender, origin: str | None, offered: Offered) -> SignedIn:
        if offered.key:
            return await self._of_key(sender, origin, offered)
        if not offered.token:
            raise NoLiveSignIn("Send the project's key, or a developer's access token and the project.")
        if unverified_claims(offered.token).get("type") == TOKEN_TYPE:
            return await self._of_service(sender, origin, offered)
        if not offered.project:
            raise NoLiveSignIn("With a developer's access token, send the project: its id or slug.")
        return await self._of_developer(sender, offered)

    async def _of_key(self, sender: Sender, origin: str | None, offered: Offered) -> SignedIn:
        holder = await self.clients.holder(offered.key[:MAX_LENGTH], sender.ip)
        check_origin(holder, origin)
        ids, expires_at, user = {holder.key_id, holder.project}, holder.expires_at or math.inf, None
        if offered.token:
            known = await self.identity.user_token(holder.project, offered.token)
            user = known.user
            ids |= {user.session, known.user_version, known.older_version, known.key}
            expires_at = min(expires_at, known.expires_at)
        explains = await self.clients.explaining.check(sender.ip, offered.explain, holder.project)
        caller = msgspec.structs.replace(caller_of(sender, holder, user), explain=explains.allowed)
        ids |= set(explains.credentials)
        return SignedIn(offered, caller, tuple(ids - {""}), min(expires_at, explains.expires_at))

    async def _of_service(self, sender: Sender, origin: str | None, offered: Offered) -> SignedIn:
        token = offered.token
        holder, scopes = await self.clients.limits.look_up(sender.ip, token, lambda: self.identity.service(token))
        check_origin(holder, origin)
        caller = sender.caller(holder.kind, project=holder.project, key=holder.key_id, scopes=scopes)
        ids = tuple({holder.key_id, holder.project, key_id(token)})
        return SignedIn(offered, caller, ids, min(holder.expires_at or math.inf, expiry(token)))

    async def _of_developer(self, sender: Sender, offered: Offered) -> SignedIn:
        token = offered.token
        developer = await self.clients.limits.look_up(sender.ip, token, lambda: self.identity.developer(token))
        found = await self.identity.membership(developer.id, offered.project[:MAX_LENGTH])
        caller = sender.caller(CallerKind.DEVELOPER, project=found.project, developer=developer, role=found.role)
        if caller.limits == ():
            raise InsufficientScope("No scope of this token holds in this project: use another token.")
        ids = credentials_of(developer, found.project, token)
        return SignedIn(offered, caller, ids, await self.identity.developer_expiry(token))


def offered_by(headers: Mapping[str, str], query: Mapping[str, Any]) -> Offered:
    """Return the credentials of a request. Raises: InvalidToken, InvalidKey, Malformed."""
    key, token = project_key(headers, query), bearer_token(headers)
    project = sent_once(headers, PROJECT_HEADER) or sent_once(query, PROJECT_PARAMETER, "parameter")
    return Offered(key, token, "" if key else project, sent_once(headers, EXPLAIN_HEADER) if key else "")


def expiry(token: str) -> float:
    """Return the time at which a token that was already checked expires, in Unix seconds."""
    return float(unverified_claims(token).get("exp", math.inf))
