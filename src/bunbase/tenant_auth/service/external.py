"""Sign end users in with other services, and manage their identities. `pkg/identity` has the rules."""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec

from bunbase.contracts.bunauth.problems import EmailTaken
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.activity import UserAct
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
from bunbase.pkg.identity.external_login import EXPIRED
from bunbase.pkg.identity.external_people import ExternalPeople, not_overtaken
from bunbase.pkg.identity.problems import ExternalLoginExpired, IdentityTaken
from bunbase.pkg.identity.store.external_logins import ExternalCode, project_of_login
from bunbase.pkg.ids import new_id
from bunbase.pkg.opaque import fingerprint
from bunbase.tenant_auth.admissions import check_admission
from bunbase.tenant_auth.journal import Event, the_user
from bunbase.tenant_auth.people import Change, Person, with_identity
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.service.anonymous import ROLE
from bunbase.tenant_auth.service.callers import first_language, keyed_project
from bunbase.tenant_auth.service.open_session import OpenSession
from bunbase.tenant_auth.service.pool_people import PoolPeople
from bunbase.tenant_auth.service.proofs import Proofs
from bunbase.tenant_auth.sign_in_methods import SignInMethod, external

TAKEN: Final = (EmailTaken, IdentityTaken)


class NotAdmitted(Exception):
    """A transaction would create a user before the hook `before_signup` was called. Call the hook, and begin again."""

    def __init__(self, person: Person) -> None:
        self.person = person


class Entry(msgspec.Struct, frozen=True):
    """A person of another service who signs in or up. `until` has the same meaning as in `PoolPeople`.

    `admitted`: the new user as the hook `before_signup` wants it. `asked`: the new user as it was sent to the hook.
    """

    pool: Pool
    person: ExternalCode
    method: SignInMethod
    until: float = 0.0
    asked: Person | None = None
    admitted: Person | None = None


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
        """Start a sign-in.

        Raises: ProviderNotFound, ProviderUnavailable, InvalidInput, LinkExpired.
        """
        return await (await self._pool(caller)).external.start(provider, start)

    async def finish(self, provider: str, answer: ExternalAnswer) -> ExternalRedirect:
        """Process the answer of a service. Raises: ProviderNotFound, ExternalLoginExpired.

        A service sends back the state, but no key. So the state determines the project. This is the only statement
        without a project; everything after it belongs to the pool of that project.
        """
        now = self.pools.site.clock.now()
        project = await project_of_login(self.stores.db, fingerprint(answer.state), now)
        if project is None:
            raise ExternalLoginExpired(EXPIRED)
        return await (await self.pools.of(project)).external.finish(provider, answer)

    async def exchange(self, caller: Caller, exchange: UserCodeExchange) -> UserSignedIn:
        """Sign in with the code of a callback, or link the identity of the code.

        A sign-in with another service is one factor. For a link, a session of the user has given its consent. The
        session of an anonymous user cannot give consent, because the link is the sign-up of this user.
        """
        pool = await self._pool(caller)
        person = await pool.external.take(exchange.code, exchange.verifier)
        return await self.sign_in_as(caller, pool, person)

    async def sign_in_as(self, caller: Caller, pool: Pool, person: ExternalCode) -> UserSignedIn:
        """Sign in as the person whom another service has identified, or link the identity.

        Raises: the same problems as `exchange`.
        """
        person = await self._upgrading(caller, person)
        method = external(person.provider, await self._consented(pool, person))
        while True:
            entry = Entry(pool, person, method)
            user = await not_overtaken(person, TAKEN, partial(self._admitted_user, caller, entry))
            person = msgspec.structs.replace(person, link_session="")  # The identity belongs to the user now.
            signed_in = await self.opening.open_session(caller, user, method)
            if signed_in is not None:
                return signed_in
            # Otherwise the user was changed meanwhile, so the loop checks again to whom the identity belongs.

    async def ticket(self, caller: Caller, provider: str) -> LinkTicket:
        """Return a ticket for a link. Raises: ProviderNotFound, ReauthenticationRequired."""
        user, pool = caller.end_user(), await self._pool(caller)
        if not await self._is_anonymous(pool.project, user.uid):  # An anonymous user has nothing to prove.
            await self.proofs.need_fresh(caller)
        return await pool.external.ticket(provider, user.session)

    async def list(self, caller: Caller) -> Identities:
        user, pool = caller.end_user(), await self._pool(caller)
        return Identities(tuple(await pool.stores.identities.of_account(user.uid)))

    async def delete(self, caller: Caller, id: str) -> None:
        """Remove an identity of the user.

        Raises: IdentityNotFound, LastSignInMethod, ReauthenticationRequired.
        """
        user = (await self.proofs.need_fresh(caller)).uid
        pool = await self._pool(caller)
        people = self._people(pool, await self.pools.revoked_until())
        await people.remove(user, id, self.pools.journal.noted(pool.project, the_user(caller)))

    async def _pool(self, caller: Caller) -> Pool:
        return await self.pools.of(keyed_project(caller))

    def _people(self, pool: Pool, until: float) -> ExternalPeople[Person]:
        people = PoolPeople(pool, self.stores, until)
        return ExternalPeople(pool.external, people, pool.need_way_in, pool.letters)

    async def _admitted_user(self, caller: Caller, entry: Entry) -> Person:
        """Return the user to sign in. For a new user, the hook `before_signup` is called outside of the transaction.

        Raises: SignupRefused, HookFailed, and the problems of `_user`.
        """
        while True:
            try:
                return await self._user(caller, entry)
            except NotAdmitted as new:
                admitted = await self.opening.hooks.before_signup(caller, new.person, entry.method, invited=False)
                entry = msgspec.structs.replace(entry, asked=new.person, admitted=admitted)

    async def _user(self, caller: Caller, entry: Entry) -> Person:
        """Return the user to sign in. This is one transaction. A new user takes a place of the project in it.

        Raises: NotAdmitted.
        """
        pool, person = entry.pool, entry.person
        # A project that is being destroyed gets no more users.
        await self.opening.tokens.access.check_key(pool.project)
        entry = msgspec.structs.replace(entry, until=await self.pools.revoked_until())
        people = self._people(pool, entry.until)
        async with self.stores.db.transaction():
            # The user is locked before the identity, in the same order as in a deletion of the user.
            if person.link_session:
                linked = await people.people.of_session(person.link_session)
                await people.people.locked(linked or "")
            note = self.pools.journal.noted(pool.project, the_user(caller))
            user = await people.account(person, partial(self._opened, caller, entry), note)
            return await self._no_longer_anonymous(caller, entry, user) if user.user.anonymous else user

    async def _opened(self, caller: Caller, entry: Entry, person: ExternalCode) -> str:
        """Open a user, and return its id. The service has verified the address of the person. Raises: NotAdmitted."""
        assert person.email is not None, "a person without an address is refused before"
        project, new = entry.pool.project, entry.admitted
        check_admission(entry.pool.auth, person.email)
        if new is None:
            now, language = entry.pool.clock.now(), first_language(caller)
            user = User(new_id("usr"), person.email, True, ROLE, {}, {}, now, name=person.name, language=language)
            raise NotAdmitted(Person(user))
        async with self.places.reserve(project):
            await self.stores.users.add(project, new)
        await self.opening.hooks.note_signup(project, new, entry.method)
        await self._note(caller, new, entry.method, UserAct.SIGN_UP)
        return new.id

    async def _upgrading(self, caller: Caller, person: ExternalCode) -> ExternalCode:
        """If the caller is an anonymous user, return the person linked to the caller's session.

        Otherwise return the person.
        """
        if person.link_session or caller.user is None:
            return person
        if not await self._is_anonymous(caller.project, caller.user.uid):
            return person
        return msgspec.structs.replace(person, link_session=caller.end_user().session)

    async def _consented(self, pool: Pool, person: ExternalCode) -> bool:
        """True if a session of a user asked for the link.

        For an anonymous user, the link is a sign-up, which needs a second factor like any sign-up. This is also true
        with a ticket, because an anonymous user gets a ticket without a proof.
        """
        user = await self._people(pool, 0.0).people.of_session(person.link_session) if person.link_session else None
        return user is not None and not await self._is_anonymous(pool.project, user)

    async def _is_anonymous(self, project: str, uid: str) -> bool:
        found = await self.stores.users.by_id(project, uid)
        return found is not None and found.user.anonymous

    async def _note(self, caller: Caller, person: Person, method: SignInMethod, act: UserAct) -> None:
        event = Event(act, method.provider, amr=method.amr, on_device=True)
        await self.pools.journal.add(caller.project, person.id, event, the_user(caller))

    async def _no_longer_anonymous(self, caller: Caller, entry: Entry, user: Person) -> Person:
        """Add the identity's address to an anonymous user, who is locked. The id and the data stay.

        Raises: NotAdmitted, EmailTaken.
        """
        pool, person = entry.pool, entry.person
        email = person.email if person.email_verified and user.email is None else None
        check_admission(pool.auth, email)
        become = with_identity(user, email, person.name).person
        if entry.admitted is None or entry.asked != become:
            raise NotAdmitted(become)
        # This has the same reason as in every upgrade (see `anonymous.py`).
        after = Change(entry.admitted, ends_sessions=True)
        changed = await self.stores.users.change(pool.project, user.id, lambda _: after, pool.clock.now(), entry.until)
        if changed is None:
            raise ExternalLoginExpired("The account was deleted meanwhile.")
        await self.opening.hooks.note_signup(pool.project, changed, entry.method)
        await self._note(caller, changed, entry.method, UserAct.UPGRADE)
        return changed
