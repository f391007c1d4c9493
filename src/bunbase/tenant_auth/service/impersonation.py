"""Sessions of administrators in the place of a user, to see what the user sees.

Such a session has one access token, and no refresh token: it ends by itself after the lifetime of an access token of
the project, and after an hour at the latest. The token says who uses it (`act`, RFC 8693 §4.1). Rules and functions may
look at it. `Caller.end_user` refuses such a token, except where a room says that the act is for administrators too.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.tenant_auth.impersonation import Impersonated, NewImpersonation
from bunbase.pkg.sessions import Session, new_session
from bunbase.tenant_auth.access_tokens import Life, Subject
from bunbase.tenant_auth.people import existing, refuse_banned
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.service.callers import managed_project
from bunbase.tenant_auth.service.open_session import OpenSession
from bunbase.tenant_auth.sign_in_methods import IMPERSONATION

MAX_SECONDS: Final = 3600


class Impersonation:
    def __init__(self, opening: OpenSession) -> None:
        self.pools = opening.pools
        self.stores = opening.stores
        self.access = opening.tokens.access

    async def open(self, caller: Caller, id: str, _new: NewImpersonation) -> Impersonated:
        """Raises: UserNotFound, UserBanned, KeyNotFound, KeyDestroyed. The gateway's audit log keeps the reason."""
        pool = await self.pools.of(managed_project(caller, Act.USER_IMPERSONATE))
        actor = caller.developer.id if caller.developer else caller.key
        while True:
            person = existing(await self.stores.users.by_id(pool.project, id))
            refuse_banned(person)
            session, seconds = _session(caller, pool, id)
            subject = Subject(person.user, person.version, session.id, method=IMPERSONATION, act={"sub": actor})
            life = Life(session.created_at, seconds, session.expires_at)
            token, _ = await self.access.sign(pool.project, subject, life)
            if await self.stores.sessions.add_impersonated(pool.project, session, subject):
                return Impersonated(person.user, token, seconds, session.id, actor)
            # else the user was changed meanwhile: check again


def _session(caller: Caller, pool: Pool, id: str) -> tuple[Session, int]:
    """Return a new session and its lifetime in seconds.

    It is not longer than that of the project's access tokens: revocations are kept for as long as these live.
    """
    seconds = min(pool.lifetimes.access_ttl_seconds, MAX_SECONDS)
    session = new_session(id, caller.ip, caller.agent, pool.clock.now(), pool.lifetimes)
    return msgspec.structs.replace(session, expires_at=session.created_at + timedelta(seconds=seconds)), seconds
