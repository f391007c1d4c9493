"""Complete the sign-in of a user with a second factor, or by setting up a second factor.

One transaction checks the second factor, and another one stores the new session, because BunKMS signs between the two.
After a crash in between, the user must sign in again; no code can be used twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.factors import EnrolledUser
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.identity.events import CredentialEvent
from bunbase.pkg.identity.factors import NewTotp, PasskeyOptions, SecondFactor
from bunbase.pkg.identity.second_step import challenge_expired
from bunbase.pkg.identity.sign_in_challenges import note_in
from bunbase.pkg.totp import is_totp_code
from bunbase.tenant_auth.journal import Event, the_user
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.service.callers import keyed_project
from bunbase.tenant_auth.service.open_session import OpenSession
from bunbase.tenant_auth.service.totp import shown_name
from bunbase.tenant_auth.sign_in_methods import BY_CODE, Checked, answered_by, method_in


class SecondFactorSignIn:
    def __init__(self, opening: OpenSession) -> None:
        self.opening = opening
        self.pools = opening.pools
        self.stores = opening.stores

    async def finish(self, caller: Caller, challenge: str, answer: SecondFactor) -> UserSignedIn:
        """Complete a sign-in with a second factor.

        Raises: ChallengeExpired, WrongCode, WrongPasskey, RateLimited, UserBanned.
        """
        pool = await self.pools.of(keyed_project(caller))

        def refused(user: str) -> None:
            method = method_in(note_in(challenge)).provider  # The caller has found the challenge before.
            self.pools.journal.refuse(caller, user, UserAct.SIGN_IN, method)

        opens = itself if answer.passkey is not None or is_totp_code(answer.code) else self._with_recovery_code(caller)
        person: Person = await pool.second_step.finish(challenge, answer, opens, refused)
        return await self._opened(caller, person, challenge, answered_by(answer))

    async def passkey_options(self, caller: Caller, challenge: str) -> PasskeyOptions:
        """Return the options for a passkey as second factor. Raises: ChallengeExpired, PasskeysUnavailable."""
        pool = await self.pools.of(keyed_project(caller))
        return await pool.second_step.passkey_options(challenge)

    async def start_enrolment(self, caller: Caller, challenge: str) -> NewTotp:
        """Start to set up a second factor during a sign-in. Raises: ChallengeExpired."""
        pool = await self.pools.of(keyed_project(caller))
        person = await self._enrolling(pool, challenge)
        return await pool.apps.start(person.id, shown_name(person))

    async def confirm_enrolment(self, caller: Caller, challenge: str, code: str) -> EnrolledUser:
        """Turn the second factor on, and open the session. Raises: ChallengeExpired, TotpNotFound, WrongCode."""
        pool = await self.pools.of(keyed_project(caller))
        person = await self._enrolling(pool, challenge)

        note = self.pools.journal.noted(pool.project, the_user(caller))

        async def use_challenge(user: str, event: CredentialEvent, target: str) -> None:
            await note(user, event, target)
            await pool.second_step.take(challenge)

        codes = await pool.apps.confirm(person.id, code, use_challenge)
        enrolled = await self.stores.users.by_id(pool.project, person.id)
        if enrolled is None:
            raise challenge_expired()
        signed_in = await self._opened(caller, enrolled, challenge, BY_CODE)
        known = {name: getattr(signed_in, name) for name in signed_in.__struct_fields__}
        return EnrolledUser(**known, recovery_codes=codes.recovery_codes)

    async def _enrolling(self, pool: Pool, challenge: str) -> Person:
        """Return the user who may set up a first factor with this challenge. Raises: ChallengeExpired."""
        waiting = await pool.second_step.waiting(challenge)
        person = await self.stores.users.by_id(pool.project, waiting.user_id)
        # If the user has an app, the challenge needs a code of the app, and must not replace the app.
        has_app = (await pool.stores.factors.counts(waiting.user_id)).totp
        if person is None or person.version != waiting.version or has_app:
            raise challenge_expired()
        return person

    def _with_recovery_code(self, caller: Caller) -> Callable[[Person], Awaitable[Person]]:
        """Return the function that records the use of the code, in the transaction that uses up the code."""

        async def noted(person: Person) -> Person:
            event = Event(UserAct.RECOVERY_CODE_USE)
            await self.pools.journal.add(caller.project, person.id, event, the_user(caller))
            return person

        return noted

    async def _opened(self, caller: Caller, person: Person, challenge: str, checked: Checked) -> UserSignedIn:
        method = method_in(note_in(challenge)).then(checked)
        signed_in = await self.opening.open_session(caller, person, method)
        if signed_in is None:  # The user was changed just now.
            raise challenge_expired()
        return signed_in


async def itself(person: Person) -> Person:
    """Return the user. The session is opened after the transaction of the check."""
    return person
