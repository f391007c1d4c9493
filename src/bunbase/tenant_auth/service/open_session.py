"""Open sessions. Every sign-in of an end user ends here, whatever it has checked before.

The life of one sign-in:

    1. A way to sign in (a password, a link, a provider, …) finds the user and checks that it is the right person.
    2. A banned user is refused. After one factor, a user with a second factor gets a challenge in place of a session.
    3. `before_token` may add claims. BunKMS signs the tokens. No transaction is open meanwhile, because both may take
       long.
    4. One transaction stores the session, and marks what the user has shown (a link, a code) as used. It stores
       nothing if the user was changed since step 1: `open_session` then returns None, and the caller begins again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.tenant_auth.admissions import check_admission
from bunbase.tenant_auth.people import Person, refuse_banned
from bunbase.tenant_auth.pool import Pools
from bunbase.tenant_auth.service.session_tokens import SessionTokens
from bunbase.tenant_auth.sign_in_methods import SignInMethod
from bunbase.tenant_auth.store import Stores
from bunbase.tenant_auth.store.sessions import NewSession

Claims = dict[str, Any]
BeforeToken = Callable[[Caller, Person, SignInMethod], Awaitable[Claims]]  # returns claims to add to the session's
Also = Callable[[], Awaitable[None]]  # runs in the transaction that stores the session; a Problem undoes both


async def no_claims(_caller: Caller, _person: Person, _method: SignInMethod) -> Claims:
    """Add no claims. This is the default."""
    return {}


async def nothing() -> None:
    """Do nothing else in the transaction. This is the default."""


class OpenSession:
    """`before_token`: is asked for claims before the tokens are signed. Its Problem refuses the sign-in."""

    def __init__(self, stores: Stores, pools: Pools, tokens: SessionTokens) -> None:
        self.stores = stores
        self.pools = pools
        self.tokens = tokens
        self.before_token: BeforeToken = no_claims

    async def open_session(
        self, caller: Caller, person: Person, method: SignInMethod, claims: Claims | None = None, also: Also = nothing
    ) -> UserSignedIn | None:
        """Store a new session of the user, and return its first pair of tokens.

        Return None if the user was changed or deleted meanwhile: check again what the sign-in has checked. Do not call
        this inside a transaction. `claims`: claims of the session besides the user's own.
        Raises: UserBanned, SecondFactorRequired, KeyNotFound, KeyDestroyed.
        """
        refuse_banned(person)
        if not method.complete:
            await (await self.pools.of(caller.project)).challenges.check(person)
        new = await self._new(caller, person, method, claims)
        async with self.stores.db.transaction():
            if not await self.stores.sessions.add(caller.project, new):
                return None
            await also()
        return self.tokens.answer(person.user, new.pair)

    async def open_first_session(
        self, caller: Caller, person: Person, method: SignInMethod, also: Also = nothing, invited: bool = False
    ) -> UserSignedIn:
        """Store a new user with a first session. `invited`: the settings cannot exclude the person.

        Raises: EmailTaken, SignupsClosed, EmailDomainNotAllowed, KeyNotFound, KeyDestroyed.
        """
        if not invited:
            check_admission((await self.pools.of(caller.project)).auth, person.email)
        # sign before storing the user: a project whose key was destroyed must not get another user
        new = await self._new(caller, person, method, None)
        async with self.stores.db.transaction():
            await self.stores.users.add(caller.project, person)
            await self.stores.sessions.add(caller.project, new)
            await also()
        return self.tokens.answer(person.user, new.pair)

    async def add_user(self, project: str, person: Person, also: Also = nothing, invited: bool = False) -> None:
        """Store a new user without a session. Raises: as `open_first_session`."""
        if not invited:
            check_admission((await self.pools.of(project)).auth, person.email)
        await self.tokens.access.check_key(project)
        async with self.stores.db.transaction():
            await self.stores.users.add(project, person)
            await also()

    async def _new(self, caller: Caller, person: Person, method: SignInMethod, claims: Claims | None) -> NewSession:
        added = await self.before_token(caller, person, method)
        pool = await self.pools.of(caller.project)
        return await self.tokens.new_session(caller, pool, person, method, {**(claims or {}), **added})
