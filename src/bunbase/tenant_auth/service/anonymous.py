"""Anonymous users: sign in without an address, and become an ordinary user later, with the same id.

The life of one upgrade (a sign-up that carries the token of an anonymous user):

    1. A way to sign up (a password, a code, a provider, …) has checked the new address, and calls `upgrade`.
    2. `become` returns the user with the address. The user gets a new version, so that all anonymous tokens end.
    3. BunKMS signs the tokens of a new session. No transaction is open meanwhile.
    4. One transaction changes the user, ends the anonymous sessions, and stores the new session. If the user was
       changed since step 2, the transaction stores nothing, and the upgrade begins again at step 2. If two upgrades run
       at the same time, the second upgrade finds a user that is not anonymous any more, and is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.problems import AnonymousUsersOff
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.ids import new_id
from bunbase.tenant_auth.captchas import Captchas
from bunbase.tenant_auth.people import Change, Person, signed_in_person, signed_out
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.profiles import check_data
from bunbase.tenant_auth.service.callers import first_language, keyed_project
from bunbase.tenant_auth.service.open_session import Also, OpenSession, nothing
from bunbase.tenant_auth.sign_in_methods import ANONYMOUS, SignInMethod
from bunbase.tenant_auth.store.users import Alter

ROLE: Final = "user"  # All users who sign up have this role. Only the project's server can set another role.

Become = Callable[[Person], Person]  # The function returns the user with an address, a phone number or an identity.


class Anonymous:
    def __init__(self, opening: OpenSession, places: Places, captchas: Captchas) -> None:
        self.opening = opening
        self.captchas = captchas
        self.stores = opening.stores
        self.pools = opening.pools
        self.places = places
        self.clock = opening.tokens.clock

    async def sign_in(self, caller: Caller, data: dict[str, Any], captcha: str = "") -> UserSignedIn:
        """Create an anonymous user with a session.

        Raises: AnonymousUsersOff, TooManyUsers, InvalidInput, CaptchaRequired, CaptchaRefused, CaptchaUnavailable.
        """
        project = keyed_project(caller)
        pool = await self.pools.of(project)
        if not pool.auth.anonymous.enabled:
            raise AnonymousUsersOff("A member of the project turns them on with the setting anonymous.enabled.")
        check_data(data)
        await self.captchas.check(caller, pool, captcha)
        async with self.places.reserve(project):
            new = User(new_id("usr"), None, False, ROLE, {}, data, self.clock.now(), anonymous=True)
            user = msgspec.structs.replace(new, language=first_language(caller))
            return await self.opening.open_first_session(caller, Person(user), ANONYMOUS)

    async def upgrade(self, caller: Caller, method: SignInMethod, become: Become, also: Also = nothing) -> UserSignedIn:
        """Make the anonymous user of the caller an ordinary user, and open a session.

        Do not call this inside a transaction.

        `become`: a pure function that returns the changed user. `also`: a function that runs in the transaction that
        stores the user and the session. Raises: EmailTaken, InvalidToken, SignupRefused, HookFailed, Unauthenticated.
        """
        project, uid, until = keyed_project(caller), caller.end_user().uid, await self.pools.revoked_until()
        while True:
            person = signed_in_person(await self.stores.users.by_id(project, uid))
            user = person.user
            if not user.anonymous or user.email or user.phone or person.password_hash:
                raise InvalidToken("This user has signed up meanwhile. Sign in.")
            new = await self.opening.hooks.before_signup(caller, _ordinary(become(person)), method, invited=False)
            after = signed_out(new)
            alter = partial(_if_unchanged, before=person, change=after)

            async def store(alter: Alter = alter, after: Person = after.person) -> bool:
                if await self.stores.users.change(project, uid, alter, self.clock.now(), until) != after:
                    return False
                await self.opening.hooks.note_signup(project, after, method)
                return True

            signed_in = await self.opening.open_changed_session(caller, after.person, method, store, also)
            if signed_in is not None:
                return signed_in


def is_anonymous(caller: Caller) -> bool:
    """True if the caller has the token of an anonymous user."""
    return caller.user is not None and caller.user.anonymous


def _ordinary(person: Person) -> Person:
    return msgspec.structs.replace(person, user=msgspec.structs.replace(person.user, anonymous=False))


def _if_unchanged(current: Person, before: Person, change: Change) -> Change:
    """Return the change, or no change if the user differs from the user for which the change was made."""
    return change if current == before else Change(current)
