"""Sign in with an address or a phone number. A code or a link that was sent there proves that it is the person's own.

The life of one sign-in:

    1. The code was compared, or the link was looked up. Neither is used up yet.
    2. If a user has this address but never confirmed it, somebody else may have made the user. `claim` ends everything
       that this person could use. A number that was never confirmed moves to a new user, in the transaction of step 3.
    3. A session is opened. The transaction that stores the session uses up the code or link. If the address has no
       user, the same transaction stores the new user. If the caller is an anonymous user, this user gets the address
       instead.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

import msgspec

from bunbase.contracts.bunauth.problems import EmailTaken
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.problems import PhoneTaken
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.errors import Problem
from bunbase.pkg.ids import new_id
from bunbase.tenant_auth.journal import SYSTEM, Actor, Event, the_user
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.service.anonymous import ROLE, Anonymous, is_anonymous
from bunbase.tenant_auth.service.callers import first_language
from bunbase.tenant_auth.service.open_session import Also, OpenSession, nothing
from bunbase.tenant_auth.sign_in_methods import SignInMethod

Note = Callable[[UserAct], Awaitable[None]]


class Shown(Protocol):
    """An address or a phone number of one project that a person has proved to own."""

    pool: Pool
    method: SignInMethod

    async def owner(self) -> Person | None: ...

    def on(self, user: User) -> User:
        """Return a user with the address as a confirmed address."""
        ...

    def admitted(self) -> bool:
        """True if a new user may have the address."""
        ...

    async def claim(self, owner: Person, note: Note) -> bool:
        """Confirm the address if the owner has not confirmed it. If this returns True, read the user again.

        `note`: a function that records the changes, in the same transaction.
        """
        ...

    def is_released_by(self, owner: Person) -> bool:
        """True if a new user may take this address, because its owner has never confirmed it."""
        ...

    async def release(self, owner: Person, note: Note) -> None:
        """Remove the address from its owner, if the address is still not confirmed. Call this in a transaction.

        `note` has the same meaning as in `claim`.
        """
        ...

    async def take(self) -> None:
        """Use up the code or the link. Raises: the Problem `refused` if another request was faster."""
        ...

    def refused(self) -> Problem:
        """Return the answer to a wrong code or link."""
        ...

    def taken(self) -> Problem:
        """Return the answer to an anonymous user whose address belongs to another user."""
        ...


class ShownSignIn:
    def __init__(self, opening: OpenSession, places: Places, anonymous: Anonymous) -> None:
        self.opening = opening
        self.places = places
        self.anonymous = anonymous

    async def open(self, caller: Caller, shown: Shown) -> UserSignedIn:
        """Sign in, or sign up. Raises: the problems of `shown`, UserBanned, SecondFactorRequired, TooManyUsers."""
        if is_anonymous(caller):
            return await self._upgrade(caller, shown)
        while True:
            person = await shown.owner()
            if person is None:
                signed_in = await self._sign_up(caller, shown)
            elif not person.is_banned(shown.pool.clock.now()) and await shown.claim(
                person, self._noted(shown, person, the_user(caller))
            ):
                continue
            elif shown.is_released_by(person) and not person.is_banned(shown.pool.clock.now()):
                # The old owner is another person, who must not see the location of the person with the address.
                note = self._noted(shown, person, SYSTEM)
                signed_in = await self._sign_up(caller, shown, partial(shown.release, person, note))
            else:
                signed_in = await self.opening.open_session(caller, person, shown.method, also=shown.take)
            if signed_in is not None:
                return signed_in
            # Otherwise the user was changed or added meanwhile, so the next attempt follows.

    def refuse(self, caller: Caller, owner: Person | None, method: SignInMethod) -> None:
        """Count a wrong code if the address has a user."""
        if owner is not None:
            self.opening.journal.refuse(caller, owner.id, UserAct.SIGN_IN, method.provider)

    def _noted(self, shown: Shown, owner: Person, actor: Actor) -> Note:
        async def note(act: UserAct) -> None:
            event = Event(act, shown.method.provider)
            await self.opening.journal.add(shown.pool.project, owner.id, event, actor)

        return note

    async def _upgrade(self, caller: Caller, shown: Shown) -> UserSignedIn:
        """Add the address to the anonymous user of the caller.

        If another user has the address, the code or link stays valid.
        """
        if await shown.owner() is not None:
            raise shown.taken()
        if not shown.admitted():
            raise shown.refused()
        return await self.anonymous.upgrade(caller, shown.method, partial(_with_address, shown), shown.take)

    async def _sign_up(self, caller: Caller, shown: Shown, first: Also = nothing) -> UserSignedIn | None:
        """Add a user without a password. Return None if another request has just added a user with this address.

        `first`: a function that runs first in the transaction that stores the user. So if the new person is not
        admitted, the owner keeps the address.
        """
        if not shown.admitted():
            raise shown.refused()
        now, language = shown.pool.clock.now(), first_language(caller)
        user = shown.on(User(new_id("usr"), None, False, ROLE, {}, {}, now, language=language))
        async with self.places.reserve(shown.pool.project):
            try:
                return await self.opening.open_first_session(
                    caller, Person(user), shown.method, also=shown.take, first=first
                )
            except (EmailTaken, PhoneTaken):
                return None


def _with_address(shown: Shown, person: Person) -> Person:
    return msgspec.structs.replace(person, user=shown.on(person.user))
