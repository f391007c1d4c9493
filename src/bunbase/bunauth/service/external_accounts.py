"""Turn a person that another service has named into a session, and manage the identities of an account.

Concern: an attacker registers with the address of somebody else, and waits until its owner signs in by another
    service. If both then shared one account, the attacker's password or tokens would open it (pre-hijacking).
Decision: accounts are joined by address only if the service has verified the address. If BunAuth has not verified
    it, the owner of the mailbox takes the account over: password, sessions, tokens, factors and identities from before
    end.
Rejected: a second account with the same address; asking for the password first, which only the attacker knows.
"""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Final

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.callers import with_session
from bunbase.bunauth.service.external_login import ExternalLogins
from bunbase.bunauth.service.names import MAX_NAME_LENGTH
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.service.registration import Registration
from bunbase.bunauth.service.session_tokens import Factors, SessionTokens, signed_in_by
from bunbase.bunauth.service.ways_in import need_way_in
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.accounts import Credentials
from bunbase.bunauth.store.external_logins import ExternalCode
from bunbase.bunauth.store.identities import NewIdentity
from bunbase.bunauth.store.mail_tokens import MailKind
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.activity import Activity, ActivityMethod
from bunbase.contracts.bunauth.identities import CodeExchange, Identities, LinkTicket
from bunbase.contracts.bunauth.problems import (
    ExternalEmailNotVerified,
    ExternalLoginExpired,
    IdentityNotFound,
    IdentityTaken,
)
from bunbase.contracts.caller import Caller
from bunbase.pkg.ids import new_id
from bunbase.pkg.oidc.person import challenge_of
from bunbase.pkg.opaque import fingerprint, new_secret

TICKET_PREFIX: Final = "blt"
TICKET_SECONDS: Final = 300
MAX_IDENTITIES: Final = 20
MAX_VERIFIER_LENGTH: Final = 128


class ExternalAccounts:
    def __init__(
        self,
        stores: Stores,
        logins: ExternalLogins,
        registration: Registration,
        proofs: Proofs,
        tokens: SessionTokens,
    ) -> None:
        self.stores = stores
        self.logins = logins
        self.registration = registration
        self.proofs = proofs
        self.tokens = tokens
        self.letters = registration.requests.letters
        self.clock = tokens.clock

    async def exchange(self, caller: Caller, exchange: CodeExchange) -> SignedIn:
        """Sign in with a code of a callback, or link the identity that the code stands for.

        A sign-in by another service is one factor. For a link, a session of the account has given its consent.
        Raises: ExternalLoginExpired, ExternalEmailNotVerified, IdentityTaken, SignupsClosed, SetupTokenRequired,
        InvalidInvite, EmailTaken, SecondFactorRequired, AccountSuspended.
        """
        # The code is used up even if the rest fails: a guessed verifier must not be tried twice.
        found = await self.stores.external_logins.take_code(fingerprint(exchange.code), self.clock.now())
        verifier = exchange.verifier[:MAX_VERIFIER_LENGTH]
        if found is None or not hmac.compare_digest(challenge_of(verifier), found.code_challenge):
            raise ExternalLoginExpired("This code is used up, expired, or belongs to another client: sign in again.")
        async with self.stores.db.transaction():
            account = await self._account(caller, found, exchange.invite)
            await self.stores.identities.touch(found.provider, found.subject, found.email, self.clock.now())
        factors = Factors.TWO if found.link_session else Factors.ONE
        by = signed_in_by(ActivityMethod.EXTERNAL, found.provider)
        return await self.tokens.open_session(caller, account, factors=factors, by=by)

    async def ticket(self, caller: Caller, provider: str) -> LinkTicket:
        """Return a ticket that links an identity to the account. Raises: ProviderNotFound, ReauthenticationRequired."""
        developer = await self.proofs.need_fresh(caller)
        self.logins.provider(provider)
        ticket, until = new_secret(TICKET_PREFIX), self.clock.now() + timedelta(seconds=TICKET_SECONDS)
        await self.stores.external_logins.add_ticket(fingerprint(ticket), provider, developer.session, until)
        return LinkTicket(ticket, TICKET_SECONDS)

    async def list(self, caller: Caller) -> Identities:
        developer = with_session(caller, "it cannot see identities: sign in")
        return Identities(tuple(await self.stores.identities.of_account(developer.id)))

    async def delete(self, caller: Caller, id: str) -> None:
        """Raises: IdentityNotFound, LastSignInMethod, ReauthenticationRequired, Forbidden."""
        developer = await self.proofs.need_fresh(caller)
        async with self.stores.db.transaction():
            account = await self.stores.accounts.locked(developer.id)  # of two deletions, the second sees the first
            provider = await self.stores.identities.delete(developer.id, id)
            if account is None or provider is None:
                raise IdentityNotFound
            await need_way_in(self.stores, developer.id)
            await self.tokens.activity.add(caller, developer.id, Happened(Activity.IDENTITY_DELETE, target=provider))
            title = self.logins.title(provider)
            await self.stores.mails.post(self.letters.identity_removed(account.email, title))

    async def _account(self, caller: Caller, person: ExternalCode, invite: str) -> Credentials:
        """Return the account to sign in to. Call this inside the transaction of the exchange."""
        if person.link_session:
            return await self._linked(caller, person)
        owner = await self.stores.identities.owner(person.provider, person.subject)
        if owner is not None:
            return await self._existing(owner)
        if person.email is None or not person.email_verified:
            raise ExternalEmailNotVerified(
                "Verify your address at the provider and sign in again; or sign in with a password, and link the "
                "provider to your account."
            )
        account = await self.stores.accounts.credentials(person.email)
        if account is None:
            new = await self.registration.open_for_person(person.email, person.name[:MAX_NAME_LENGTH], invite)
            return await self._with_identity(caller, new.id, person, tell=False)
        if account.email_verified_at is None:
            await self._take_over(account.id)
            await self.tokens.activity.add(caller, account.id, Happened(Activity.TAKE_OVER, target=person.provider))
        return await self._with_identity(caller, account.id, person)

    async def _linked(self, caller: Caller, person: ExternalCode) -> Credentials:
        """Link the person to the account of the session that asked for the ticket."""
        session = await self.stores.sessions.open_session(person.link_session, self.clock.now())
        if session is None:
            raise ExternalLoginExpired("The session that began to link this identity has ended: sign in again.")
        owner = await self.stores.identities.owner(person.provider, person.subject)
        if owner == session.user_id:
            return await self._existing(owner)
        if owner is not None:
            raise IdentityTaken("Sign in to the other account, and remove the identity there.")
        return await self._with_identity(caller, session.user_id, person)

    async def _with_identity(self, caller: Caller, user: str, person: ExternalCode, tell: bool = True) -> Credentials:
        """Link the person to an account. `tell`: its owner gets a mail, unless the account was opened just now."""
        new = NewIdentity(new_id("idn"), person.provider, person.subject, person.email)
        if not await self.stores.identities.add(user, new, self.clock.now(), MAX_IDENTITIES):
            raise IdentityTaken(f"Another request has used this identity, or the account has {MAX_IDENTITIES} of them.")
        account = await self._existing(user)
        await self.tokens.activity.add(caller, user, Happened(Activity.IDENTITY_LINK, target=person.provider))
        if tell:
            title = self.logins.title(person.provider)
            await self.stores.mails.post(self.letters.identity_linked(account.email, title))
        return account

    async def _existing(self, user: str) -> Credentials:
        found = await self.stores.accounts.credentials_of(user)
        if found is None:
            raise ExternalLoginExpired("The account was deleted meanwhile.")
        return found

    async def _take_over(self, user: str) -> None:
        """End everything that whoever opened the account without proving its address has made."""
        now = self.clock.now()
        until = await self.tokens.revoked_until(now)
        await self.stores.accounts.locked(user)
        await self.stores.accounts.take_over(user, now)
        await self.stores.identities.delete_all(user)
        await self.stores.factors.delete_all(user)
        await self.stores.personal_tokens.delete_all(user, until)
        await self.stores.mail_tokens.forget_of_account(user, *MailKind)
        await self.stores.email_changes.forget(user)
        await self.stores.sessions.end_all(user, now, until)
