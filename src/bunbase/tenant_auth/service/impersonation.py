"""Sessions in which an administrator takes the place of a user, to see what the user sees.

Such a session has one access token and no refresh token. So it ends after the lifetime of the project's access tokens,
and after an hour at the latest. The token names the administrator (`act`, RFC 8693 §4.1), which rules and functions can
read. `Caller.end_user` refuses such a token, except where a room explicitly allows the action for administrators.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.impersonation import Impersonated, NewImpersonation
from bunbase.pkg.sessions import Session, new_session
from bunbase.tenant_auth.access_tokens import Subject
from bunbase.tenant_auth.journal import Event, administrator
from bunbase.tenant_auth.people import existing, refuse_banned
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.service.callers import managed_project
from bunbase.tenant_auth.service.open_session import OpenSession
from bunbase.tenant_auth.service.session_tokens import IMPERSONATE
from bunbase.tenant_auth.sign_in_methods import IMPERSONATION

MAX_SECONDS: Final = 3600


class Impersonation:
    def __init__(self, opening: OpenSession) -> None:
        self.pools = opening.pools
        self.stores = opening.stores
        self.tokens = opening.tokens

    async def open(self, caller: Caller, id: str, _new: NewImpersonation) -> Impersonated:
        """Open a session. The gateway's audit log stores the reason.

        Raises: UserNotFound, UserBanned, KeyNotFound, KeyDestroyed.
        """
        pool = await self.pools.of(managed_project(caller, Act.USER_IMPERSONATE))
        actor = caller.developer.id if caller.developer else caller.key
        while True:
            person = existing(await self.stores.users.by_id(pool.project, id))
            session = _session(caller, pool, id)
            refuse_banned(person, session.created_at)
            subject = Subject(person.user, person.version, session.id, method=IMPERSONATION, act={"sub": actor})
            made = await self.tokens.new_access(pool, subject, session.expires_at, session.created_at, IMPERSONATE)
            if await self._store(caller, pool, session, subject):
                return Impersonated(person.user, made.access_token, made.expires_in, session.id, actor)
            # Otherwise the user was changed meanwhile, so the loop checks again.

    async def _store(self, caller: Caller, pool: Pool, session: Session, subject: Subject) -> bool:
        event = Event(UserAct.IMPERSONATE, session=session.id)
        async with self.stores.db.transaction():
            if not await self.stores.sessions.add_impersonated(pool.project, session, subject):
                return False
            await self.pools.journal.add(pool.project, session.user_id, event, administrator(caller))
        return True


def _session(caller: Caller, pool: Pool, id: str) -> Session:
    """Return a new session. The session ends with its only access token."""
    seconds = min(pool.lifetimes.access_ttl_seconds, MAX_SECONDS)
    session = new_session(id, caller.ip, caller.agent, pool.clock.now(), pool.lifetimes)
    return msgspec.structs.replace(session, expires_at=session.created_at + timedelta(seconds=seconds))
