"""The authenticator app of a user, and the recovery codes. `pkg/identity/authenticator_apps.py` has the rules."""

from __future__ import annotations

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.tenant_auth.settings import SecondFactorPolicy
from bunbase.pkg.errors import Forbidden
from bunbase.pkg.identity.events import CredentialEvent, Note
from bunbase.pkg.identity.factors import NewTotp, RecoveryCodes, TotpState
from bunbase.tenant_auth.journal import administrator, the_user
from bunbase.tenant_auth.people import Person, no_such_user, signed_in_person
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.service.callers import keyed_project, managed_project
from bunbase.tenant_auth.service.proofs import Proofs
from bunbase.tenant_auth.sign_in_methods import BY_CODE


class Totp:
    def __init__(self, proofs: Proofs) -> None:
        self.proofs = proofs
        self.pools = proofs.pools
        self.stores = proofs.stores

    async def state(self, caller: Caller) -> TotpState:
        pool, uid = await self._pool(caller), caller.end_user().uid
        return await pool.apps.state(uid)

    async def start(self, caller: Caller) -> NewTotp:
        """Start to set up an authenticator app. Raises: SignUpFirst, ReauthenticationRequired, Forbidden."""
        user, pool = await self.proofs.need_signed_up(caller), await self._pool(caller)
        if pool.auth.second_factor is SecondFactorPolicy.OFF:
            raise Forbidden("This app has no second factors.")
        person = signed_in_person(await self.stores.users.by_id(pool.project, user.uid))
        return await pool.apps.start(person.id, shown_name(person))

    async def confirm(self, caller: Caller, code: str) -> RecoveryCodes:
        """Turn on the second factor. The session has then checked two factors. Raises: TotpNotFound, WrongCode."""
        pool, user = await self._pool(caller), caller.end_user()

        note = self._noted(caller)

        async def raise_session(uid: str, event: CredentialEvent, target: str) -> None:
            await note(uid, event, target)
            await self.stores.sessions.add_checks(pool.project, user.session, BY_CODE, pool.clock.now())

        return await pool.apps.confirm(user.uid, code, raise_session)

    async def new_codes(self, caller: Caller) -> RecoveryCodes:
        """Make new recovery codes. Raises: ReauthenticationRequired, TotpNotFound."""
        user = await self.proofs.need_fresh(caller)
        return await (await self._pool(caller)).apps.new_codes(user.uid, self._noted(caller))

    async def remove(self, caller: Caller) -> None:
        """Remove the authenticator app. Raises: ReauthenticationRequired, TotpNotFound, Forbidden."""
        user, pool = await self.proofs.need_fresh(caller), await self._pool(caller)
        if pool.auth.second_factor is SecondFactorPolicy.REQUIRED:
            raise Forbidden("This app needs a second factor. Set up a new one in its place: POST /v1/auth/totp.")
        await pool.apps.remove(user.uid, self._noted(caller))

    async def reset(self, caller: Caller, id: str) -> None:
        """Remove all factors of a user, for administrators. Raises: UserNotFound, Forbidden."""
        pool = await self.pools.of(managed_project(caller, Act.USER_RESET_FACTORS))
        note = self.pools.journal.noted(pool.project, administrator(caller))
        if not await pool.apps.remove_all_factors(id, note):
            raise no_such_user()

    def _noted(self, caller: Caller) -> Note:
        return self.pools.journal.noted(caller.project, the_user(caller))

    async def _pool(self, caller: Caller) -> Pool:
        return await self.pools.of(keyed_project(caller))


def shown_name(person: Person) -> str:
    """Return the name under which an authenticator app shows the user."""
    user = person.user
    return user.email or user.name or user.phone or user.id
