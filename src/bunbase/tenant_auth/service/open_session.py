"""Open sessions. Every sign-in of an end user ends with this module, whatever it has checked before.

The life of one sign-in:

    1. A sign-in method (a password, a link, a provider, …) finds the user and checks that it is the right person.
    2. A banned user is refused. After one factor, a user with a second factor gets a challenge instead of a session. If
       the project requires a second factor, a user without one also gets a challenge. In both cases the link or code of
       the first step is used up.
    3. For a new user, the hook `before_signup` decides. The hook `before_token` may add claims, and BunKMS signs the
       tokens. No transaction is open meanwhile, because all of this may take long.
    4. One transaction stores the session, and marks the link or code as used. If the tokens are not returned to the
       caller, it also stores the place of the tokens (`Keep`), so that a crash leaves no unusable session. If the user
       was changed since step 1, it stores nothing: `open_session` returns None, and the caller begins again. For a new
       user, it also notes that the hook `after_signup` must run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.activity import UserAct, UserActOutcome
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.errors import Problem
from bunbase.tenant_auth.admissions import check_admission
from bunbase.tenant_auth.journal import SYSTEM, Event, the_user
from bunbase.tenant_auth.people import Person, refuse_banned
from bunbase.tenant_auth.pool import Pool, Pools
from bunbase.tenant_auth.service.enrolment_demands import demands_factor, enrolment_required, needs_more
from bunbase.tenant_auth.service.hooks import Hooks
from bunbase.tenant_auth.service.session_tokens import SessionTokens
from bunbase.tenant_auth.sign_in_methods import SignInMethod
from bunbase.tenant_auth.store import Stores
from bunbase.tenant_auth.store.sessions import NewSession

Claims = dict[str, Any]
# A function of this type runs in the transaction that stores the session. A Problem makes the transaction fail.
Also = Callable[[], Awaitable[None]]

# A function of this type runs outside of the transaction, and returns a function that stores its result inside of the
# transaction. The parameters are the project, the answer, and the id of the session.
Keep = Callable[[Pool, UserSignedIn, str], Awaitable[Also]]
# A function of this type runs in the transaction that stores the session. The function returns False if it has changed
# nothing.
Store = Callable[[], Awaitable[bool]]


async def nothing() -> None:
    """Do nothing else in the transaction that stores a session (the default)."""


async def keep_nothing(_pool: Pool, _signed_in: UserSignedIn, _session: str) -> Also:
    """Store no tokens, because the caller gets them (the default of `keep`)."""
    return nothing


class OpenSession:
    """Opens sessions. `keep`: a function that is called with each session before the session is stored."""

    def __init__(
        self, stores: Stores, pools: Pools, tokens: SessionTokens, hooks: Hooks, keep: Keep = keep_nothing
    ) -> None:
        self.stores = stores
        self.pools = pools
        self.tokens = tokens
        self.hooks = hooks
        self.journal = pools.journal
        self.keep = keep

    def keeping(self, keep: Keep) -> OpenSession:
        """Return a copy that also stores the place of the tokens of its sessions."""
        return OpenSession(self.stores, self.pools, self.tokens, self.hooks, keep)

    async def open_session(
        self, caller: Caller, person: Person, method: SignInMethod, claims: Claims | None = None, also: Also = nothing
    ) -> UserSignedIn | None:
        """Store a new session of the user, and return its first pair of tokens.

        Return None if the user was changed or deleted meanwhile. In this case, repeat the checks of the sign-in. Do not
        call this inside a transaction. `claims`: claims of the session in addition to the user's own claims. Raises:
        UserBanned, SecondFactorRequired, MfaEnrolmentRequired, HookFailed, KeyNotFound, KeyDestroyed.
        """
        self.refuse_banned(caller, person, method)
        pool = await self.pools.of(caller.project)
        if await needs_more(pool, person, method):
            await self._ask_for_more(caller, pool, person, method, also)
            return None
        new, most = await self._new(caller, pool, person, method, claims), pool.auth.sessions.max_per_user
        until = 0.0 if most is None else await self.pools.revoked_until()
        kept = await self._kept(pool, person, new)
        async with self.stores.db.transaction():
            # If two sign-ins run at the same time, the second sign-in waits, and then sees the session of the first.
            if most is not None:
                await self.stores.users.locked(pool.project, person.id)
            if not await self.stores.sessions.add(caller.project, new):
                return None
            if most is not None:
                await self._end_oldest(pool, person, most, until)
            await kept()
            await also()
            await self._note_sign_in(caller, pool, person, new)
        return self.tokens.answer(caller.project, person.user, new.pair, method)

    async def open_first_session(
        self,
        caller: Caller,
        person: Person,
        method: SignInMethod,
        also: Also = nothing,
        invited: bool = False,
        first: Also = nothing,
    ) -> UserSignedIn:
        """Store a new user with a first session. `invited`: the person needs no permission by the settings.

        `first`: a function that runs before the user is stored, in the same transaction.

        Raises: EmailTaken, SignupsClosed, EmailDomainNotAllowed, SignupRefused, HookFailed, MfaEnrolmentRequired (in
        this case the user is stored, and must sign in next), KeyNotFound, KeyDestroyed.
        """
        pool = await self.pools.of(caller.project)
        if not invited:
            check_admission(pool.auth, person.email)
        person = await self.hooks.before_signup(caller, person, method, invited)
        # This signs before it stores the user, because a project whose key was destroyed must not get another user.
        new = await self._new(caller, pool, person, method)
        needed, kept = None, await self._kept(pool, person, new)
        async with self.stores.db.transaction():
            await first()
            await self.stores.users.add(caller.project, person)
            await self.hooks.note_signup(caller.project, person, method)
            if demands_factor(pool, person, method):
                needed = await enrolment_required(pool, person, method)
            else:
                await self.stores.sessions.add(caller.project, new)
                await kept()
            await also()
            await self._note_start(caller, person, method, UserAct.SIGN_UP, None if needed else new, invited)
        if needed is not None:
            raise needed
        return self.tokens.answer(caller.project, person.user, new.pair, method)

    def refuse_banned(self, caller: Caller, person: Person, method: SignInMethod) -> None:
        """Refuse a banned user, and record the refused sign-in in the user's activity. Raises: UserBanned."""
        now = self.tokens.clock.now()
        if person.is_banned(now):
            self.journal.refuse(caller, person.id, UserAct.SIGN_IN, method.provider)
        refuse_banned(person, now)

    async def _ask_for_more(self, caller: Caller, pool: Pool, person: Person, method: SignInMethod, also: Also) -> None:
        """Raise the Problem that demands the second factor. If the user was changed meanwhile, raise nothing."""
        async with self.stores.db.transaction():
            locked = await self.stores.users.locked(pool.project, person.id)
            if locked is None or locked.version != person.version:
                return
            await also()
            now = await self.stores.users.locked(pool.project, person.id) or locked  # `also` may have changed the user.
            asked: Problem | None = await pool.challenges.asked(now, method.noted)
            if asked is None and demands_factor(pool, now, method):
                asked = await enrolment_required(pool, now, method)
            if asked is not None:
                what = Event(UserAct.SIGN_IN, method.provider, amr=method.amr, outcome=UserActOutcome.CHALLENGED)
                await self.journal.add(pool.project, person.id, what, the_user(caller))
        if asked is not None:
            raise asked

    async def open_changed_session(
        self, caller: Caller, person: Person, method: SignInMethod, store: Store, also: Also = nothing
    ) -> UserSignedIn | None:
        """Store a changed user with a new session. `person`: the user after the change.

        `store`: a function that changes the user. If the user was changed meanwhile, `store` changes nothing and
        returns False. In this case, this method returns None, and the caller begins again. Raises: UserBanned,
        HookFailed, MfaEnrolmentRequired (in this case the user is changed, and must sign in next), KeyNotFound,
        KeyDestroyed, and the problems of `store`.
        """
        refuse_banned(person, self.tokens.clock.now())
        pool = await self.pools.of(caller.project)
        new = await self._new(caller, pool, person, method)
        needed, kept = None, await self._kept(pool, person, new)
        async with self.stores.db.transaction():
            if not await store():
                return None
            if demands_factor(pool, person, method):
                needed = await enrolment_required(pool, person, method)
            else:
                await self.stores.sessions.add(caller.project, new)
                await kept()
            await also()
            await self._note_start(caller, person, method, UserAct.UPGRADE, None if needed else new)
        if needed is not None:
            raise needed
        return self.tokens.answer(caller.project, person.user, new.pair, method)

    async def add_user(
        self, caller: Caller, person: Person, method: SignInMethod, also: Also = nothing, invited: bool = False
    ) -> None:
        """Store a new user without a session. Raises: the problems of `open_first_session`."""
        project = caller.project
        if not invited:
            check_admission((await self.pools.of(project)).auth, person.email)
        person = await self.hooks.before_signup(caller, person, method, invited)
        await self.tokens.access.check_key(project)
        async with self.stores.db.transaction():
            await self.stores.users.add(project, person)
            await self.hooks.note_signup(project, person, method)
            await also()
            await self._note_start(caller, person, method, UserAct.SIGN_UP, None, invited)

    async def _note_sign_in(self, caller: Caller, pool: Pool, person: Person, new: NewSession) -> None:
        """Record the sign-in. If the device is new and the project wants it, send the user a mail about the device.

        Call this in the transaction that stores the session.
        """
        method, actor = new.method, the_user(caller)
        event = Event(UserAct.SIGN_IN, method.provider, "", method.amr, new.session.id, on_device=True)
        on_new_device, user = await self.journal.add(pool.project, person.id, event, actor), person.user
        if on_new_device and pool.auth.mail.new_device and user.email is not None and user.email_verified:
            now = pool.clock.now()
            await pool.stores.mails.post(pool.letters.new_sign_in(user.email, now, actor.agent, actor.ip))

    async def _note_start(
        self,
        caller: Caller,
        person: Person,
        method: SignInMethod,
        act: UserAct,
        new: NewSession | None,
        invited: bool = False,
    ) -> None:
        """Record that the user has signed up. `new`: the first session. Call this in the transaction."""
        target, session = "invitation" if invited else "", new.session.id if new else ""
        event = Event(act, method.provider, target, method.amr, session, on_device=True)
        await self.journal.add(caller.project, person.id, event, the_user(caller))

    async def _end_oldest(self, pool: Pool, person: Person, most: int, until: float) -> None:
        """End the oldest sessions that exceed the limit of the user. Call this while the user is locked."""
        ended = await self.stores.sessions.end_oldest(pool.project, person.id, most, pool.clock.now(), until)
        for id in ended:
            await self.journal.add(pool.project, person.id, Event(UserAct.SESSION_END, "too_many_sessions", id), SYSTEM)

    async def _new(
        self, caller: Caller, pool: Pool, person: Person, method: SignInMethod, claims: Claims | None = None
    ) -> NewSession:
        return await self.tokens.new_session(caller, pool, person, method, claims or {})

    async def _kept(self, pool: Pool, person: Person, new: NewSession) -> Also:
        return await self.keep(pool, self.tokens.signed_in(person.user, new.pair, new.method), new.session.id)
