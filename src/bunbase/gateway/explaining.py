"""Decides who may see why rules deny access: everybody in dev mode, otherwise members of the project."""

from __future__ import annotations

import math

import msgspec

from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.contracts.caller import Act, Caller, CallerKind, Developer
from bunbase.gateway.credentials import MAX_LENGTH
from bunbase.gateway.identity import Identity
from bunbase.gateway.login_limits import LoginLimits
from bunbase.pkg.jwt import key_id

NO_MEMBER = "Send a developer's access token in X-Bunbase-Explain: that of a member of the project."


class Explanation(msgspec.Struct, frozen=True):
    """The right to see why rules deny access.

    `allowed`: true if the caller may see the reasons. `credentials`: the ids under which this right may be revoked.
    `expires_at`: the end of this right, in Unix seconds.
    """

    allowed: bool
    credentials: tuple[str, ...] = ()
    expires_at: float = math.inf


class Explaining:
    def __init__(self, identity: Identity, limits: LoginLimits, dev: bool) -> None:
        self.identity = identity
        self.limits = limits
        self.dev = dev

    async def check(self, ip: str, asked: str, project: str) -> Explanation:
        """Check the value of X-Bunbase-Explain. An empty value asks for nothing.

        Raises: InvalidToken, TokenExpired, RateLimited, ProjectNotFound, Forbidden, InsufficientScope, Unreachable.
        """
        if not asked:
            return Explanation(False)
        if self.dev and asked == "true":
            return Explanation(True)
        if asked == "true" or len(asked) > MAX_LENGTH:
            raise InvalidToken(NO_MEMBER)
        developer = await self._developer(ip, asked)
        found = await self.identity.membership(developer.id, project)
        Caller(CallerKind.DEVELOPER, project=found.project, developer=developer, role=found.role).check(
            Act.DOCUMENT_READ
        )
        ids = credentials_of(developer, found.project, asked)
        return Explanation(True, ids, await self.identity.developer_expiry(asked))

    async def _developer(self, ip: str, token: str) -> Developer:
        if self.identity.knows_developer(token):
            return await self.identity.developer(token)
        return await self.limits.look_up(ip, token, lambda: self.identity.developer(token))


def credentials_of(developer: Developer, project: str, token: str) -> tuple[str, ...]:
    """Return all ids (session, user, key, project) whose revocation ends the access of this member."""
    signer = "" if developer.token else key_id(token)
    ids = {developer.session or developer.token, developer.id, signer, project}
    ids |= {f"{project}:{developer.id}", f"{project}:", f":{developer.id}"}
    return tuple(ids - {""})
