"""Refresh and end sessions.

The life of one refresh:

    1. Look up the refresh token by its hash, together with its session. An unknown token is refused.
    2. FRESH: sign a new pair. After that, one statement marks the token as used and adds the next token. If a parallel
       request used the token, or if the user was changed, the statement changes nothing: begin again at step 1.
    3. RETRY: the token was used, but the next token was not used, or was first used less than ten seconds ago. So the
       client may not have received the answer. Return the same pair, which is stored sealed with the old token. If the
       pair's access token has expired, or the user was changed since, sign a new access token.
    4. REUSED: two parties have the same token. End the session, because BunBase cannot know which party is the user.

The gateway reports the first use of each access token (`note_first_uses`).
"""

from __future__ import annotations

from functools import partial
from typing import assert_never

from bunbase.contracts.bunauth.problems import InvalidToken, SessionNotFound, TokenExpired, TokenReused
from bunbase.contracts.bunauth.tokens import FirstUse
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.sessions import OwnSessions, UserSignedIn
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.sessions import Standing, knows_address, standing
from bunbase.tenant_auth.access_tokens import Subject
from bunbase.tenant_auth.journal import SYSTEM, Actor, Event, the_user
from bunbase.tenant_auth.people import Person, signed_in_person
from bunbase.tenant_auth.pool import Pool, Pools
from bunbase.tenant_auth.service.callers import keyed_project
from bunbase.tenant_auth.service.enrolment_demands import demands_factor
from bunbase.tenant_auth.service.session_tokens import SessionTokens
from bunbase.tenant_auth.store import Stores
from bunbase.tenant_auth.store.sessions import StoredToken


class Sessions:
    def __init__(self, stores: Stores, pools: Pools, tokens: SessionTokens) -> None:
        self.stores = stores
        self.pools = pools
        self.tokens = tokens
        self.clock = tokens.clock

    async def refresh(self, caller: Caller, refresh_token: str) -> UserSignedIn:
        """Exchange a refresh token for a new pair. Raises: InvalidToken, TokenExpired, TokenReused, Unauthenticated."""
        project, hash, now = keyed_project(caller), fingerprint(refresh_token), self.clock.now()
        pool = await self.pools.of(project)
        while True:
            token = await self.stores.sessions.refresh_token(project, hash)
            if token is None:
                raise InvalidToken
            match standing(token, now, pool.lifetimes):
                case Standing.FRESH:
                    person, subject = await self.subject(pool, token, token.generation + 1)
                    pair = await self.tokens.new_pair(pool, subject, token.session_expires_at, now)
                    if await self.stores.sessions.rotate(project, refresh_token, subject, pair, now):
                        return self.tokens.answer(project, person.user, pair, subject.method)
                    # Otherwise a parallel request used the token, or the user was changed, so the next attempt follows.
                case Standing.RETRY:
                    person, subject = await self.subject(pool, token, token.generation + 1)
                    pair = token.traded_for(refresh_token)
                    if await self.tokens.lives(project, pair, person, now):
                        return self.tokens.answer(project, person.user, pair, subject.method)
                    pair = await self.tokens.with_new_access(pool, pair, subject, token, now)
                    if await self.stores.sessions.alive(project, token.session, person.version, now):
                        return self.tokens.answer(project, person.user, pair, subject.method)
                    # Otherwise the session ended or the user was changed while BunKMS signed, so the next attempt
                    # follows.
                case Standing.REUSED:
                    await self.end_stolen(project, token)
                    raise TokenReused("Sign in again; if this was not you, change your password.")
                case Standing.EXPIRED:
                    raise TokenExpired("Sign in again.")
                case Standing.ENDED:
                    raise InvalidToken
                case other:
                    assert_never(other)

    async def note_first_uses(self, uses: tuple[FirstUse, ...]) -> None:
        """Record the first use of access tokens.

        The refresh tokens from before these tokens then no longer return a pair.
        """
        now = self.clock.now()
        for use in uses:
            await self.stores.sessions.note_use(use.project, use.session, use.generation, now)

    async def list_own(self, caller: Caller, limit: int, cursor: str | None) -> OwnSessions:
        """Return the open sessions of the signed-in user, newest first. Raises: InvalidCursor, Unauthenticated."""
        project, user = keyed_project(caller), caller.end_user(impersonated=True)
        query = f"own sessions:{project}:{user.uid}"
        before = page_start(query, cursor, str, "")
        found = await self.stores.sessions.own_page(project, user, self.clock.now(), before, limit + 1)
        page, next = cut_page(found, limit, query, lambda session: session.id)
        return OwnSessions(tuple(page), next)

    async def end_one(self, caller: Caller, id: str) -> None:
        """End a session of the signed-in user. Raises: SessionNotFound, Unauthenticated."""
        project, user, until = keyed_project(caller), caller.end_user(), await self.pools.revoked_until()
        async with self.stores.db.transaction():
            if not await self.stores.sessions.end_own(project, user.uid, id, self.clock.now(), until):
                raise SessionNotFound
            await self._note_end(project, user.uid, id, the_user(caller))

    async def end_all(self, caller: Caller, keep_current: bool) -> None:
        """End all sessions of the signed-in user. `keep_current`: the caller's own session stays open."""
        project, user, until = keyed_project(caller), caller.end_user(), await self.pools.revoked_until()
        keep = user.session if keep_current else ""
        async with self.stores.db.transaction():
            if await self.stores.sessions.end_others(project, user.uid, keep, self.clock.now(), until):
                await self._note_end(project, user.uid, "", the_user(caller))

    async def end_own(self, caller: Caller) -> None:
        """End the session that the caller's access token belongs to."""
        project, user, until = keyed_project(caller), caller.end_user(True), await self.pools.revoked_until()
        async with self.stores.db.transaction():
            if await self.stores.sessions.end(project, user.session, self.clock.now(), until):
                await self.pools.journal.add(project, user.uid, Event(UserAct.SIGN_OUT), the_user(caller))

    async def is_alive(self, project: str, session: str, version: int) -> bool:
        return await self.stores.sessions.alive(project, session, version, self.clock.now())

    async def knows_address(self, project: str, account: str, ip: str) -> bool:
        return await knows_address(account, ip, partial(self.stores.sessions.addresses, project))

    async def subject(self, pool: Pool, token: StoredToken, generation: int) -> tuple[Person, Subject]:
        """Return the user of a refresh token, and the content of the next access token.

        Raises: Unauthenticated; InvalidToken if the project demands a second factor that the session has not checked.
        """
        person = signed_in_person(await self.stores.users.by_id(pool.project, token.user_id))
        subject = token.subject(person.user, person.version, generation)
        if demands_factor(pool, person, subject.method):
            raise InvalidToken("This app needs a second factor now. Sign in again.")
        return person, subject

    async def end_stolen(self, project: str, token: StoredToken) -> None:
        """End the session of a refresh token that two parties have used."""
        until, now = await self.pools.revoked_until(), self.clock.now()
        async with self.stores.db.transaction():
            if await self.stores.sessions.end(project, token.session, now, until):
                await self._note_end(project, token.user_id, token.session, SYSTEM, "token_reused")

    async def _note_end(self, project: str, user: str, session: str, actor: Actor, why: str = "") -> None:
        await self.pools.journal.add(project, user, Event(UserAct.SESSION_END, why, session), actor)
