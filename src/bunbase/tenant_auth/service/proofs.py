"""Recent proofs (reauthentication) that an end user still owns the account.

`pkg/identity/fresh_proofs.py` has the rules.

After a proof with a second factor, the session has two factors (`aal` 2). So its user need not sign in again for
requests that need two factors.
"""

from __future__ import annotations

from functools import partial

from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.contracts.caller import Caller, EndUser
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.proofs import Reauthenticated
from bunbase.pkg.identity.factors import PasskeyOptions, Proof
from bunbase.tenant_auth.journal import SYSTEM, Event, the_user
from bunbase.tenant_auth.people import sign_up_first, signed_in_person
from bunbase.tenant_auth.pool import Pool, Pools
from bunbase.tenant_auth.service.callers import keyed_project
from bunbase.tenant_auth.service.session_tokens import SessionTokens
from bunbase.tenant_auth.sign_in_methods import proved_by


class Proofs:
    def __init__(self, pools: Pools, tokens: SessionTokens) -> None:
        self.pools = pools
        self.stores = pools.stores
        self.tokens = tokens

    async def need_fresh(self, caller: Caller) -> EndUser:
        """Return the signed-in user if the session has a recent proof.

        Raises: ReauthenticationRequired, InvalidToken.
        """
        pool, user = await self.pools.of(keyed_project(caller)), caller.end_user()
        await pool.proofs.need(user.uid, user.session)
        return user

    async def need_signed_up(self, caller: Caller) -> EndUser:
        """Return the signed-in user if the session has a recent proof and the user is not anonymous.

        Raises: SignUpFirst, ReauthenticationRequired, InvalidToken.
        """
        if caller.end_user().anonymous:
            raise sign_up_first()
        return await self.need_fresh(caller)

    async def reauthenticate(self, caller: Caller, proof: Proof) -> Reauthenticated:
        """Check a proof and store it. Raises: WrongProof, RateLimited, InvalidToken."""
        pool, user = await self.pools.of(keyed_project(caller)), caller.end_user()
        refused = self.pools.journal.refused(caller, UserAct.REAUTHENTICATE, _method(proof))
        await pool.proofs.prove(user.uid, user.session, proof, partial(self._end_session, pool, user), refused)
        return await self._raised(caller, pool, user, proof)

    async def passkey_options(self, caller: Caller) -> PasskeyOptions:
        """Return the options for a passkey as proof. Raises: PasskeysUnavailable, Unauthenticated."""
        pool, user = await self.pools.of(keyed_project(caller)), caller.end_user()
        person = signed_in_person(await self.stores.users.by_id(pool.project, user.uid))
        return await pool.proofs.passkey_options(person.id)

    async def _raised(self, caller: Caller, pool: Pool, user: EndUser, proof: Proof) -> Reauthenticated:
        """Add the checks to the session, and return a new access token.

        Raises: InvalidToken if the session has ended meanwhile.
        """
        now = pool.clock.now()
        # The user is read first. If the user is changed afterwards, the version makes the token invalid.
        person = signed_in_person(await self.stores.users.by_id(pool.project, user.uid))
        checked, event = proved_by(proof), Event(UserAct.REAUTHENTICATE, _method(proof))
        async with self.stores.db.transaction():
            session = await self.stores.sessions.add_checks(pool.project, user.session, checked, now)
            if session is None:
                raise InvalidToken
            await self.pools.journal.add(pool.project, user.uid, event, the_user(caller))
        # With generation 0, the use of this token does not prove that the client has received the last refresh.
        subject = session.subject(user.session, person.user, person.version, 0)
        answer = await self.tokens.new_access(pool, subject, session.expires_at, now)
        if not await self.stores.sessions.alive(pool.project, user.session, person.version, now):
            raise InvalidToken
        return answer

    async def _end_session(self, pool: Pool, user: EndUser) -> None:
        until, now = await self.pools.revoked_until(), pool.clock.now()
        async with self.stores.db.transaction():
            if await self.stores.sessions.end(pool.project, user.session, now, until):
                event = Event(UserAct.SESSION_END, "wrong_proofs", user.session)
                await self.pools.journal.add(pool.project, user.uid, event, SYSTEM)


def _method(proof: Proof) -> str:
    if proof.passkey is not None:
        return "passkey"
    return "code" if proof.code else "password"
