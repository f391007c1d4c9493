"""Rotate the keys of a project on request. Old keys also rotate at sign-ins and refreshes (`UserTokens.renew_key`)."""

from __future__ import annotations

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.revocations import RevokedKind
from bunbase.contracts.tenant_auth.signing_keys import RotatedKeys
from bunbase.pkg.logger import logger
from bunbase.tenant_auth.access_tokens import UserTokens
from bunbase.tenant_auth.pool import Pools

log = logger("tenant_auth")


class UserKeys:
    def __init__(self, pools: Pools, access: UserTokens) -> None:
        self.pools = pools
        self.stores = pools.stores
        self.access = access

    async def rotate(self, caller: Caller, now: bool) -> RotatedKeys:
        """Replace the keys of a project. Raises: Forbidden, InsufficientScope, KeyNotFound, KeyDestroyed."""
        caller.check(Act.USER_KEYS_ROTATE)
        project = caller.project
        algorithm = (await self.pools.of(project)).auth.tokens.algorithm
        ended: tuple[str, ...] = ()
        if now:
            ended = await self._kids(project)
            # The old keys end first. If this process dies afterwards, other processes already refuse the old tokens.
            await self._end(ended)
            await self.access.replace_keys(project, algorithm)
            # The old keys end once more, because a process that has read them in between must forget them.
            await self._end(ended)
            log.warning("all signing keys of a project are replaced", project=project)
        else:
            await self.access.kms.renew_signing_key(project, algorithm, 0)
        return RotatedKeys(await self._kids(project), ended)

    async def _end(self, kids: tuple[str, ...]) -> None:
        until = await self.pools.revoked_until()
        async with self.stores.db.transaction():
            for kid in kids:
                await self.stores.feed.publish(RevokedKind.SIGNING_KEY, kid, until)

    async def _kids(self, project: str) -> tuple[str, ...]:
        self.access.forget_keys(project)
        return await self.access.kids(project)
