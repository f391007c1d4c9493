"""Sign in with another service, and manage the identities of an account. `pkg/identity` has the rules."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.external_people import AccountPeople
from bunbase.bunauth.service.journal import noted
from bunbase.bunauth.service.names import MAX_NAME_LENGTH
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.service.registration import Registration
from bunbase.bunauth.service.session_tokens import Factors, SessionTokens, signed_in_by
from bunbase.bunauth.service.ways_in import need_way_in
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.accounts import Credentials
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.activity import ActivityMethod
from bunbase.contracts.bunauth.identities import CodeExchange, Identities, LinkTicket
from bunbase.contracts.bunauth.problems import EmailTaken
from bunbase.contracts.caller import Caller
from bunbase.pkg.identity.external_login import ExternalLogins
from bunbase.pkg.identity.external_people import ExternalPeople, not_overtaken
from bunbase.pkg.identity.problems import IdentityTaken
from bunbase.pkg.identity.redirects import checked_redirect
from bunbase.pkg.identity.store.external_logins import ExternalCode
from bunbase.pkg.modules import Site
from bunbase.pkg.oidc.person import Provider
from bunbase.pkg.oidc.settings import ProviderSettings

LINK_PATH: Final = "POST /api/auth/identities/link/{provider}"


def external_logins(
    stores: Stores, providers: Mapping[str, tuple[ProviderSettings, Provider]], site: Site
) -> ExternalLogins:
    """Return the object that signs developers in with other services."""
    url = site.public_url.rstrip("/")

    def callback(provider: str) -> str:
        return f"{url}/api/auth/oauth/{provider}/callback"

    check = partial(checked_redirect, public_url=url)
    return ExternalLogins(stores.pool, providers, callback, check, LINK_PATH, site.clock)


class ExternalAccounts:
    def __init__(
        self,
        stores: Stores,
        logins: ExternalLogins,
        registration: Registration,
        proofs: Proofs,
        tokens: SessionTokens,
    ) -> None:
        self.logins = logins
        self.registration = registration
        self.proofs = proofs
        self.tokens = tokens
        people = AccountPeople(stores, tokens)
        letters = registration.requests.letters.account
        self.people = ExternalPeople(logins, people, partial(need_way_in, stores), letters)

    async def exchange(self, caller: Caller, exchange: CodeExchange) -> SignedIn:
        """Sign in with the code of a callback, or link the identity of the code.

        A sign-in with another service is one factor. For a link, a session of the account has given its consent.
        Raises: ExternalLoginExpired, ExternalEmailNotVerified, IdentityTaken, SignupsClosed, SetupTokenRequired,
        InvalidInvite, EmailTaken, SecondFactorRequired, AccountSuspended.
        """
        person = await self.logins.take(exchange.code, exchange.verifier)
        account, by = await self._account(caller, person, exchange.invite)
        factors = Factors.TWO if person.link_session else Factors.ONE
        return await self.tokens.open_session(caller, account, factors=factors, by=by)

    async def identified(self, caller: Caller, person: ExternalCode) -> tuple[Credentials, Happened]:
        """Return the account of a person for one action on a page. The second factor is not checked yet.

        Raises: the problems of `exchange`.
        """
        return await self._account(caller, person, "")

    async def ticket(self, caller: Caller, provider: str) -> LinkTicket:
        """Return a ticket that links an identity to the account. Raises: ProviderNotFound, ReauthenticationRequired."""
        developer = await self.proofs.need_fresh(caller)
        return await self.logins.ticket(provider, developer.session)

    async def list(self, caller: Caller) -> Identities:
        return await self.people.list(with_session(caller, "it cannot see identities: sign in").id)

    async def delete(self, caller: Caller, id: str) -> None:
        """Remove an identity of the account.

        Raises: IdentityNotFound, LastSignInMethod, ReauthenticationRequired, Forbidden.
        """
        user = (await self.proofs.need_fresh(caller)).id
        await self.people.remove(user, id, noted(self.tokens.activity, caller))

    async def _account(self, caller: Caller, person: ExternalCode, invite: str) -> tuple[Credentials, Happened]:
        note = noted(self.tokens.activity, caller)
        attempt = partial(self.people.account, person, partial(self._opened, caller, invite), note)
        account = await not_overtaken(person, (EmailTaken, IdentityTaken), attempt)
        return account, signed_in_by(ActivityMethod.EXTERNAL, person.provider)

    async def _opened(self, caller: Caller, invite: str, person: ExternalCode) -> str:
        """Open an account, and return its id. The provider has verified the person's address."""
        assert person.email is not None, "a person without an address is refused before"
        return (await self.registration.open_for_person(caller, person.email, name_of(person), invite)).id


def name_of(person: ExternalCode) -> str:
    """Return the name of a new account."""
    return person.name[:MAX_NAME_LENGTH]
