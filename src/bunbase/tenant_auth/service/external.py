"""Sign end users in by another service, and manage their identities. `pkg/identity` has the rules."""

from __future__ import annotations

from functools import partial

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.identities import UserCodeExchange
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import User
from bunbase.pkg.identity.external import (
    ExternalAnswer,
    ExternalRedirect,
    ExternalStart,
    Identities,
    LinkTicket,
    LoginProviders,
)
from bunbase.pkg.identity.external_people import ExternalPeople
from bunbase.pkg.identity.problems import ExternalLoginExpired
from bunbase.pkg.identity.store.external_logins import ExternalCode, project_of_login
from bunbase.pkg.ids import new_id
from bunbase.pkg.opaque import fingerprint
from bunbase.tenant_auth.admissions import check_admission
from bunbase.tenant_auth.people import Person, with_identity
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.service.anonymous import ROLE
from bunbase.tenant_auth.service.callers import keyed_project
from bunbase.tenant_auth.service.open_session import OpenSession
from bunbase.tenant_auth.service.pool_people import PoolPeople
from bunbase.tenant_auth.service.proofs import Proofs
from bunbase.tenant_auth.sign_in_methods import external


class ExternalAccounts:
    def __init__(self, opening: OpenSession, proofs: Proofs, places: Places) -> None:
        self.opening = opening
        self.stores = opening.stores
        self.pools = opening.pools
        self.proofs = proofs
        self.places = places

    async def providers(self, caller: Caller) -> LoginProviders:
        return (await self._pool(caller)).external.list()

    async def start(self, caller: Caller, provider: str, start: ExternalStart) -> ExternalRedirect:
        """Raises: ProviderNotFound, ProviderUnavailable, InvalidInput, LinkExpired."""
        return await (await self._pool(caller)).external.start(provider, start)

    async def finish(self, provider: str, answer: ExternalAnswer) -> ExternalRedirect:
        """Take the answer of a service. Raises: ProviderNotFound, ExternalLoginExpired.

        A service sends back the state, but no key: the project is the one in which this state was made. This is the
        only statement without a project. Everything after it belongs to the pool of that project.
        """
        now = self.pools.site.clock.now()
        project = await project_of_login(self.stores.db, fingerprint(answer.state), now)
        if project is None:
            raise ExternalLoginExpired("Start the sign-in again, and finish it in the same browser within ten minutes.")
        return await (await self.pools.of(project)).external.finish(provider, answer)

    async def exchange(self, caller: Caller, exchange: UserCodeExchange) -> UserSignedIn:
        """Sign in with a code of a callback, or link the identity that the code stands for.

        A sign-in by another service is one factor. For a link, a session of the user has given its consent.
        """
        pool = await self._pool(caller)
        person = await pool.external.take(exchange.code, exchange.verifier)
        person = await self._upgrading(caller, person)
        method = external(person.provider, consented=bool(person.link_session))
        while True:
            user = await self._user(pool, person)
            signed_in = await self.opening.open_session(caller, user, method)
            if signed_in is not None:
                return signed_in
            # else the user was changed meanwhile: look again whom the identity belongs to

    async def ticket(self, caller: Caller, provider: str) -> LinkTicket:
        """Raises: ProviderNotFound, ReauthenticationRequired."""
        user, pool = caller.end_user(), await self._pool(caller)
        if not await self._is_anonymous(pool.project, user.uid):  # such a user has nothing to prove
            await self.proofs.need_fresh(caller)
        return await pool.external.ticket(provider, user.session)

    async def list(self, caller: Caller) -> Identities:
        user, pool = caller.end_user(), await self._pool(caller)
        return Identities(tuple(await pool.stores.identities.of_account(user.uid)))

    async def delete(self, caller: Caller, id: str) -> None:
        """Raises: IdentityNotFound, LastSignInMethod, ReauthenticationRequired."""
        user = (await self.proofs.need_fresh(caller)).uid
        people = self._people(await self._pool(caller), await self.pools.revoked_until())
        await people.remove(user, id)

    async def _pool(self, caller: Caller) -> Pool:
        return await self.pools.of(keyed_project(caller))

    def _people(self, pool: Pool, until: float) -> ExternalPeople[Person]:
        people = PoolPeople(pool, self.stores, until)
        return ExternalPeople(pool.external, people, pool.need_way_in, pool.letters)

    async def _user(self, pool: Pool, person: ExternalCode) -> Person:
        """Return the user to sign in to. This is one transaction, in which a new user has a place in the project."""
        await self.opening.tokens.access.check_key(pool.project)  # a project that is destroyed gets no more users
        until = await self.pools.revoked_until()
        people = self._people(pool, until)
        async with self.stores.db.transaction():
            if person.link_session:  # lock the user before the identity, as a deletion of the user does
                linked = await people.people.of_session(person.link_session)
                await people.people.locked(linked or "")
            user = await people.account(person, partial(self._opened, pool))
            return await self._no_longer_anonymous(pool, user, person, until) if user.user.anonymous else user

    async def _opened(self, pool: Pool, person: ExternalCode) -> str:
        """Open a user, and return its id. The service has verified the address of the person."""
        assert person.email is not None, "a person without an address is refused before"
        check_admission(pool.auth, person.email)
        user = User(new_id("usr"), person.email, True, ROLE, {}, {}, pool.clock.now(), name=person.name)
        async with self.places.reserve(pool.project):
            await self.stores.users.add(pool.project, Person(user))
        return user.id

    async def _upgrading(self, caller: Caller, person: ExternalCode) -> ExternalCode:
        """Return the person, linked to the caller's session if the caller is an anonymous user."""
        if person.link_session or caller.user is None:
            return person
        if not await self._is_anonymous(caller.project, caller.user.uid):
            return person
        return msgspec.structs.replace(person, link_session=caller.end_user().session)

    async def _is_anonymous(self, project: str, uid: str) -> bool:
        found = await self.stores.users.by_id(project, uid)
        return found is not None and found.user.anonymous

    async def _no_longer_anonymous(self, pool: Pool, user: Person, person: ExternalCode, until: float) -> Person:
        """Store the identity's address with an anonymous user. The id stays, and so do the data. Raises: EmailTaken."""
        email = person.email if person.email_verified and user.email is None else None
        check_admission(pool.auth, email)
        alter = partial(with_identity, email=email, name=person.name)
        changed = await self.stores.users.change(pool.project, user.id, alter, pool.clock.now(), until)
        if changed is None:
            raise ExternalLoginExpired("The account was deleted meanwhile.")
        return changed
