"""Make the Caller of a request with a project key: `Clients.caller` in the fast lane, `caller_of` in both lanes.

The ordinary lane (`callers.py`), live connections and the login guard look keys up with `Clients.holder`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.contracts.caller import Caller, CallerKind, EndUser
from bunbase.contracts.platform import KeyHolder
from bunbase.gateway.cookie_mode import CookieUsers
from bunbase.gateway.cookie_requests import SentCookies
from bunbase.gateway.credentials import Sender, bearer_token
from bunbase.gateway.explaining import Explaining
from bunbase.gateway.identity import Identity
from bunbase.gateway.login_limits import LoginLimits
from bunbase.gateway.origins import check_origin, is_welcome

NO_COOKIES: Final = SentCookies("GET", "")


class Admitted(msgspec.Struct, frozen=True):
    """A caller that may proceed. `shares`: true if pages of the request's origin may read the answer even though the
    request has a cookie. `set_cookie`: a header of the answer; empty if there is none.
    """

    caller: Caller
    shares: bool = False
    set_cookie: str = ""


class Clients:
    def __init__(self, identity: Identity, limits: LoginLimits, cookies: CookieUsers, dev: bool = False) -> None:
        self.identity = identity
        self.limits = limits
        self.cookies = cookies
        self.explaining = Explaining(identity, limits, dev)

    def known_caller(
        self, sender: Sender, key: str, authorization: str | None, sent: SentCookies, origin: str | None = None
    ) -> Admitted | None:
        """Return the caller if key, token and cookie are cached, else None.

        `caller` then looks them up or refuses them. Raises: CsrfRefused, Malformed.
        """
        holder = self.identity.known_holder(key)
        if holder is None or not is_welcome(holder, origin):
            return None
        user, shares = None, False
        if origin is not None:
            mode = self.cookies.known_mode(holder.project)
            if mode is None:
                return None
            shares = origin in mode.origins
        if authorization is None and sent.cookie:
            sent = of_key(sent, holder)
            if self.cookies.known_mode(holder.project) is None:
                return None
            if sent.value(holder.project, self.cookies.public_url):
                user = self.cookies.known_user(holder.project, sent)
                if user is None:
                    return None
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            user = self.identity.known_user(holder.project, token) if scheme == "Bearer" else None
            if user is None:
                return None
        return Admitted(caller_of(sender, holder, user), shares)

    async def caller(
        self,
        sender: Sender,
        key: str,
        authorization: str,
        sent: SentCookies,
        route: str,
        origin: str | None = None,
    ) -> Admitted:
        """Return the caller. `authorization`: the value of the header, "" if the request has none. With a token, the
        cookie does not count. `route`: the template of the path.

        Raises: InvalidKey, InvalidToken, TokenExpired, CookieEnded, CsrfRefused, Malformed, OriginNotAllowed,
        SecretKeyInBrowser, RateLimited, Unreachable.
        """
        holder = await self.holder(key, sender.ip)
        check_origin(holder, origin)
        token = bearer_token({"authorization": authorization})
        user = await self.identity.end_user(holder.project, token) if token else None
        found = None if token else await self.cookies.user(holder.project, of_key(sent, holder), sender.ip, route)
        if found is not None:
            user = found.user
        shares = origin is not None and await self.cookies.shares(holder.project, origin)
        return Admitted(caller_of(sender, holder, user), shares, found.set_cookie if found else "")

    async def holder(self, key: str, ip: str) -> KeyHolder:
        """Return the project and kind of a key. An invalid key counts towards the limit of the address that sent it.

        Raises: InvalidKey, RateLimited, Unreachable.
        """
        known = self.identity.known_holder(key)
        if known is not None:
            return known
        return await self.limits.look_up(ip, key, lambda: self.identity.key_holder(key))


def caller_of(sender: Sender, holder: KeyHolder, user: EndUser | None = None) -> Caller:
    """Return the caller with a project's key. The caller has a user if the request has the token or the cookie of a
    user.
    """
    return sender.caller(holder.kind, project=holder.project, key=holder.key_id, user=user, scopes=holder.limits.scopes)


def of_key(sent: SentCookies, holder: KeyHolder) -> SentCookies:
    """Return the sent cookies, and record in them whether the key is a secret key."""
    return msgspec.structs.replace(sent, secret=holder.kind is CallerKind.SECRET)
