"""The sign-in of a live connection: from key and token to a Caller, and to the credentials that may be revoked."""

from __future__ import annotations

import math

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.gateway.clients import Clients
from bunbase.gateway.credentials import MAX_LENGTH, Sender
from bunbase.gateway.identity import Identity
from bunbase.gateway.origins import check_origin
from bunbase.pkg.errors import Unreachable

TRIES = 5  # news about revocations may come during a check; then the check is repeated


class SignedIn(msgspec.Struct, frozen=True):
    """A checked sign-in. `credentials`: the ids under which it may be revoked. `expires_at`: Unix seconds."""

    key: str
    token: str
    caller: Caller
    credentials: frozenset[str]
    expires_at: float

    @property
    def user(self) -> str:
        return self.caller.user.uid if self.caller.user else ""


class SignIn:
    def __init__(self, identity: Identity, clients: Clients) -> None:
        self.identity = identity
        self.clients = clients

    async def check(self, sender: Sender, origin: str | None, key: str, token: str) -> SignedIn:
        """Check a key and the token of an end user, "" for none. The result is true when this method returns.

        Raises: InvalidKey, InvalidToken, TokenExpired, OriginNotAllowed, SecretKeyInBrowser, RateLimited, Unreachable.
        """
        for _ in range(TRIES):
            epoch = self.identity.epoch
            signed = await self._checked(sender, origin, key[:MAX_LENGTH], token)
            if epoch == self.identity.epoch:
                return signed
        raise Unreachable("Credentials change too fast to be checked: try again.")

    async def _checked(self, sender: Sender, origin: str | None, key: str, token: str) -> SignedIn:
        holder = await self.clients.holder(key, sender.ip)
        check_origin(holder, origin)
        ids, expires_at, user = {holder.key_id, holder.project}, holder.expires_at or math.inf, None
        if token:
            known = await self.identity.user_token(holder.project, token)
            user = known.user
            ids |= {user.session, known.user_version, known.older_version, known.key}
            expires_at = min(expires_at, known.expires_at)
        caller = sender.caller(
            holder.kind, project=holder.project, key=holder.key_id, user=user, scopes=holder.limits.scopes
        )
        return SignedIn(key, token, caller, frozenset(ids - {""}), expires_at)
