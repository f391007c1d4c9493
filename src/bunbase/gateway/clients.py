"""Make the Caller of a request that sends a project key. Both lanes and the login guard use this code."""

from __future__ import annotations

from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import KeyHolder
from bunbase.gateway.credentials import Sender, bearer_token
from bunbase.gateway.identity import Identity
from bunbase.gateway.login_limits import LoginLimits
from bunbase.gateway.origins import check_origin, is_welcome


class Clients:
    def __init__(self, identity: Identity, limits: LoginLimits) -> None:
        self.identity = identity
        self.limits = limits

    def known_caller(
        self, sender: Sender, key: str, authorization: str | None, origin: str | None = None
    ) -> Caller | None:
        """Return the Caller if key and token are cached, else None: then `caller` looks them up or refuses them."""
        holder = self.identity.known_holder(key)
        if holder is None or not is_welcome(holder, origin):
            return None
        user = None
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            user = self.identity.known_user(holder.project, token) if scheme == "Bearer" else None
            if user is None:
                return None
        return sender.caller(
            holder.kind, project=holder.project, key=holder.key_id, user=user, scopes=holder.limits.scopes
        )

    async def caller(self, sender: Sender, key: str, authorization: str, origin: str | None = None) -> Caller:
        """Return the Caller. `authorization`: the value of the header, "" if the request has none.

        Raises: InvalidKey, InvalidToken, TokenExpired, OriginNotAllowed, SecretKeyInBrowser, RateLimited, Unreachable.
        """
        holder = await self.holder(key, sender.ip)
        check_origin(holder, origin)
        token = bearer_token({"authorization": authorization})
        user = await self.identity.end_user(holder.project, token) if token else None
        return sender.caller(
            holder.kind, project=holder.project, key=holder.key_id, user=user, scopes=holder.limits.scopes
        )

    async def holder(self, key: str, ip: str) -> KeyHolder:
        """Return the project and kind of a key. An invalid key counts against the limit of the address that sent it.

        Raises: InvalidKey, RateLimited, Unreachable.
        """
        known = self.identity.known_holder(key)
        if known is not None:
            return known
        return await self.limits.look_up(ip, key, lambda: self.identity.key_holder(key))
