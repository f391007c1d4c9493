"""Open accounts for people whom members invite. Remember people who come from another service until they decide.

A person may go from the page of an invitation to another service, and come back without a BunBase account. On the way
back, the browser gets a pass, as in `page_passes.py`. The pass stands for the person instead of an account. The pass
works once, for five minutes, on the page of this invitation. Before the person clicks on this page, no account is
opened.

Record: docs/decisions/0058-the-mail-of-an-invitation-opens-the-account.md.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, assert_never

import msgspec

from bunbase.bunauth.service.external_accounts import ExternalAccounts, name_of
from bunbase.bunauth.service.journal import noted
from bunbase.bunauth.service.page_passes import page_hash
from bunbase.bunauth.service.registration import BY_REGISTRATION
from bunbase.bunauth.settings import Signups
from bunbase.contracts.bunauth.accounts import Account, SignedIn
from bunbase.contracts.bunauth.activity import ActivityMethod
from bunbase.contracts.bunauth.newcomers import InvitedAccount
from bunbase.contracts.bunauth.page_sign_in import PASS_SECONDS, ActPage
from bunbase.contracts.bunauth.problems import ChallengeExpired, SignupsClosed
from bunbase.contracts.caller import Caller
from bunbase.pkg.identity.store.external_logins import ExternalCode
from bunbase.pkg.opaque import fingerprint, new_secret

PREFIX: Final = "bpn"
AGAIN: Final = "This sign-in has expired, was used, or is for another address or page: sign in again."


class NewcomerService:
    def __init__(self, external: ExternalAccounts) -> None:
        self.external = external
        self.registration = external.registration
        self.stores = self.registration.stores
        self.clock = self.registration.clock

    async def admits(self, inviter: str) -> bool:
        """True if an invitation by this account opens an account."""
        admissions = self.registration.admissions
        match admissions.signups:
            case Signups.OPEN:
                return True
            case Signups.CLOSED | Signups.AUTO:
                return False
            case Signups.INVITE:
                found = await self.stores.administration.account(inviter, self.clock.now())
                active = found is not None and found.suspended_at is None
                return active and (admissions.members_may_invite or (found is not None and found.role == "admin"))
            case other:
                assert_never(other)

    async def acts(self, account: str) -> bool:
        found = await self.stores.administration.account(account, self.clock.now())
        return found is not None and found.suspended_at is None

    async def has_account(self, email: str) -> bool:
        return await self.stores.accounts.credentials(email) is not None

    async def open(self, caller: Caller, new: InvitedAccount) -> SignedIn:
        """Open an account, and sign it in. Raises: SignupsClosed, EmailTaken, InvalidInput."""
        await self._check(new.inviter)
        account = await self.registration.open_verified(caller, new)
        return await self.registration.tokens.open_session(caller, account, by=BY_REGISTRATION)

    async def open_on_page(self, caller: Caller, new: InvitedAccount) -> Account:
        await self._check(new.inviter)
        return (await self.registration.open_verified(caller, new)).account()

    async def open_by_pass(self, caller: Caller, to: ActPage, secret: str, email: str, inviter: str) -> Account:
        """Open an account with a pass. Raises: ChallengeExpired, SignupsClosed, EmailTaken."""
        await self._check(inviter)
        person = await self.person(to, secret)
        if person is None or person.email != email:
            raise ChallengeExpired(AGAIN)
        opened: list[str] = []

        async def open(person: ExternalCode) -> str:
            account = await self.registration.add_person(email, name_of(person), "user")
            await self.registration.note_opened(caller, account, inviter, ActivityMethod.EXTERNAL)
            opened.append(account.id)
            return account.id

        note = noted(self.registration.tokens.activity, caller)
        async with self.stores.db.transaction():
            if await self.stores.pool.external_logins.take_code(fingerprint(secret), self.clock.now()) is None:
                raise ChallengeExpired(AGAIN)
            account = await self.external.people.account(person, open, note)
            if not opened:  # The account was opened meanwhile, and may need a second factor.
                raise ChallengeExpired("You have an account by now: sign in.")
        return account.account()

    async def give_pass(self, person: ExternalCode, to: ActPage) -> str:
        """Return a pass for a person without an account. The pass is stored as a code that matches no verifier."""
        secret, until = new_secret(PREFIX), self.clock.now() + timedelta(seconds=PASS_SECONDS)
        kept = msgspec.structs.replace(person, code_challenge=page_hash(to).hex(), link_session="")
        await self.stores.pool.external_logins.add_code(fingerprint(secret), kept, until)
        return secret

    async def person(self, to: ActPage, secret: str) -> ExternalCode | None:
        """Return the person of a pass, or None if the pass is not valid on this page. The pass stays valid."""
        found = await self.stores.pool.external_logins.find_code(fingerprint(secret), self.clock.now())
        return found if found is not None and found.code_challenge == page_hash(to).hex() else None

    async def _check(self, inviter: str) -> None:
        if not await self.admits(inviter):
            raise SignupsClosed(
                "This invitation opens no account: ask an administrator of this server for an invitation, open the "
                "account with it, and then accept this invitation."
            )


class NewcomerMethods:
    """The methods of the contract. The object `newcomers` does the work."""

    newcomers: NewcomerService

    async def admits_newcomers(self, inviter: str) -> bool:
        return await self.newcomers.admits(inviter)

    async def acts(self, account: str) -> bool:
        return await self.newcomers.acts(account)

    async def has_account(self, email: str) -> bool:
        return await self.newcomers.has_account(email)

    async def open_invited(self, caller: Caller, new: InvitedAccount) -> SignedIn:
        return await self.newcomers.open(caller, new)

    async def open_invited_on_page(self, caller: Caller, new: InvitedAccount) -> Account:
        return await self.newcomers.open_on_page(caller, new)

    async def open_invited_by_pass(self, caller: Caller, to: ActPage, cookie: str, email: str, inviter: str) -> Account:
        return await self.newcomers.open_by_pass(caller, to, cookie, email, inviter)
