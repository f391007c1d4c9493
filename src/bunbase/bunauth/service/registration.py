"""Open accounts.

The first account, invited people, and everybody in dev mode get an account and a session immediately. There are two
kinds of invitations: invitations by administrators (`invites.py`), and invitations by members to a project or an
organisation, which Platform stores (`newcomers.py`).

If everybody may register, new people must first confirm the address by mail (`verify_signups`). The response is then
the same for a new address and for an address that has an account. The person chooses the password after opening the
link in the mail, so nobody can open an account with the address of somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.invites import InviteService
from bunbase.bunauth.service.mail_requests import MailRequests
from bunbase.bunauth.service.names import checked_name
from bunbase.bunauth.service.session_tokens import SessionTokens, signed_in_by
from bunbase.bunauth.settings import BunAuthSettings, Signups
from bunbase.bunauth.setup import check_setup
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.accounts import Credentials
from bunbase.bunauth.store.invites import Admission
from bunbase.bunauth.store.mail_tokens import MailKind
from bunbase.contracts.bunauth.accounts import NewAccount, Registered, SignedIn, SignupState
from bunbase.contracts.bunauth.activity import Activity, ActivityMethod
from bunbase.contracts.bunauth.newcomers import InvitedAccount
from bunbase.contracts.bunauth.problems import EmailTaken, LinkExpired, SetupTokenRequired, SignupsClosed
from bunbase.contracts.caller import Caller
from bunbase.pkg.addresses import normal_email
from bunbase.pkg.command_hints import command_for
from bunbase.pkg.ids import new_id
from bunbase.pkg.modules import Site
from bunbase.pkg.new_passwords import NewPasswords
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.passwords import check_password

BY_REGISTRATION: Final = signed_in_by(ActivityMethod.REGISTRATION)
CLOSED: Final = (
    "Here, an invitation opens no account either. The operator of this server can change that with the setting "
    "bunauth.signups."
)
ONLY_INVITED: Final = (
    "Only people with an invitation may register: ask a member of a project, or an administrator, for one."
)
NOBODY: Final = "Registration is closed here."
USED_SIGN_UP: Final = (
    "If you have opened your account with it, sign in, in a terminal, with {login}. Otherwise register once more, and "
    "use the link of the new mail."
)


@dataclass(frozen=True)
class Admissions:
    """The rules for people who open an account.

    `verifies`: true if people without an invitation must first confirm the address by mail.
    """

    invites: InviteService
    signups: Signups
    verifies: bool
    dev: bool
    members_may_invite: bool = True


def admissions(invites: InviteService, settings: BunAuthSettings, site: Site) -> Admissions:
    verifies = settings.verifies_signups(site.dev, site.mail.configured)
    return Admissions(invites, settings.signups.on(site.dev), verifies, site.dev, settings.members_may_invite)


class Registration:
    def __init__(
        self,
        stores: Stores,
        passwords: NewPasswords,
        tokens: SessionTokens,
        requests: MailRequests,
        admissions: Admissions,
    ) -> None:
        self.stores = stores
        self.passwords = passwords
        self.tokens = tokens
        self.requests = requests
        self.admissions = admissions
        self.clock = tokens.clock

    async def register(self, caller: Caller, new: NewAccount) -> Registered:
        """Open an account and sign it in, or send a mail with which the owner of the address can open the account.

        Raises: SetupTokenRequired, LinkExpired, InvalidInvite, EmailTaken, SignupsClosed, InvalidInput.
        """
        email, name = normal_email(new.email), checked_name(new.name)
        check_password(new.password)
        # This check comes before the password is hashed, which is expensive.
        if not await self.stores.accounts.exist():
            await check_setup(self.stores.accounts, caller, new.setup_token, self.admissions.dev)
            first = await self._credentials(email, name, new.password, role="admin")
            if await self._add_first(first):
                return await self._signed_in(caller, first)
            # Otherwise another request has made the first account meanwhile.
        if new.invite:
            return await self._signed_in(caller, await self._add_invited(caller, email, name, new))
        self._check_signups()
        if self.admissions.verifies:
            await self.requests.request(MailKind.SIGN_UP, email, name)
            return Registered(None)
        account = await self._credentials(email, name, new.password)
        async with self.stores.db.transaction():
            await self._add(account)
        return await self._signed_in(caller, account)

    async def confirm(self, caller: Caller, token: str, password: str) -> SignedIn:
        """Open the account of a link in a mail, and sign in.

        Raises: LinkExpired, EmailTaken, InvalidInput.
        """
        account = await self.open_confirmed(caller, token, password)
        return await self.tokens.open_session(caller, account, by=BY_REGISTRATION)

    async def open_confirmed(self, caller: Caller, token: str, password: str) -> Credentials:
        """Open the account of a link in a mail. Raises: LinkExpired, EmailTaken, InvalidInput."""
        check_password(password)
        link, now, tokens = fingerprint(token), self.clock.now(), self.stores.mail_tokens
        found = await tokens.find(link, (MailKind.SIGN_UP,), now)
        if found is None:
            raise self._used_sign_up()
        account = await self._credentials(found.email, found.name, password, verified=True)
        async with self.stores.db.transaction():
            if await tokens.take(link, (MailKind.SIGN_UP,), now) is None:
                raise self._used_sign_up()
            await self._add(account)
            await self.note_opened(caller, account, "", ActivityMethod.REGISTRATION)
        return account

    async def address_of(self, token: str) -> str:
        """Return the address for which a link opens an account. The link stays valid. Raises: LinkExpired."""
        found = await self.stores.mail_tokens.find(fingerprint(token), (MailKind.SIGN_UP,), self.clock.now())
        if found is None:
            raise self._used_sign_up()
        return found.email

    async def open_invited(self, caller: Caller, new: NewAccount) -> Credentials:
        """Open an account with an invitation. Raises: LinkExpired, InvalidInvite, EmailTaken, InvalidInput."""
        email, name = normal_email(new.email), checked_name(new.name)
        check_password(new.password)
        return await self._add_invited(caller, email, name, new)

    async def open_for_person(self, caller: Caller, email: str, name: str, invite: str) -> Credentials:
        """Open an account without a password for a person whose address another service has verified.

        Call this inside a transaction.
        Raises: SetupTokenRequired, LinkExpired, InvalidInvite, EmailTaken, SignupsClosed.
        """
        if not await self.stores.accounts.exist():
            raise SetupTokenRequired("Open the first account with a password: `bunbase register`.")
        if not invite:
            self._check_signups()
            return await self.add_person(email, name, "user")
        admission = await self._admission(invite, email)
        await self.admissions.invites.use(invite)
        account = await self.add_person(email, name, admission.role)
        await self.note_opened(caller, account, admission.invited_by, ActivityMethod.EXTERNAL)
        return account

    async def add_person(self, email: str, name: str, role: str) -> Credentials:
        """Add an account without a password, with a verified address. Raises: EmailTaken."""
        now = self.clock.now()
        account = Credentials(new_id("usr"), email, name, role, now, None, now)
        await self._add(account)
        return account

    async def open_verified(self, caller: Caller, new: InvitedAccount) -> Credentials:
        """Open an account for an address that a mail has proved.

        The caller of this method must have checked the inviter.

        Raises: EmailTaken, InvalidInput.
        """
        email, name = normal_email(new.email), checked_name(new.name)
        check_password(new.password)
        account = await self._credentials(email, name, new.password, verified=True)
        async with self.stores.db.transaction():
            await self._add(account)
            await self.note_opened(caller, account, new.inviter, ActivityMethod.REGISTRATION)
        return account

    async def note_opened(self, caller: Caller, account: Credentials, inviter: str, method: ActivityMethod) -> None:
        """Record that an account was opened, the inviter ("" if there was none), and the device of the owner.

        Call this inside the transaction that opens the account. On a page, no session is opened that would record the
        device.
        """
        await self.tokens.devices.note(caller, account, BY_REGISTRATION)
        await self.tokens.activity.add(caller, account.id, Happened(Activity.OPEN, method, inviter))

    async def state(self) -> SignupState:
        has_admin = await self.stores.accounts.has_admin()
        confirms = has_admin and self.admissions.verifies and self.admissions.signups is Signups.OPEN
        return SignupState(self.admissions.signups.value, has_admin, confirms)

    async def _add_first(self, account: Credentials) -> bool:
        async with self.stores.db.transaction():
            if not await self.stores.accounts.add_first(account):
                return False
            await self._post_verification(account)
            return True

    async def _add_invited(self, caller: Caller, email: str, name: str, new: NewAccount) -> Credentials:
        admission = await self._admission(new.invite, email)
        account = await self._credentials(email, name, new.password, admission.role, admission.mailed)
        async with self.stores.db.transaction():
            await self.admissions.invites.use(new.invite)
            await self._add(account)
            await self.note_opened(caller, account, admission.invited_by, ActivityMethod.REGISTRATION)
        return account

    async def _signed_in(self, caller: Caller, account: Credentials) -> Registered:
        return Registered(await self.tokens.open_session(caller, account, by=BY_REGISTRATION))

    async def _credentials(
        self, email: str, name: str, password: str, role: str = "user", verified: bool = False
    ) -> Credentials:
        hash, now = await self.passwords.hash(password, email), self.clock.now()
        return Credentials(new_id("usr"), email, name, role, now, hash, now if verified else None)

    async def _add(self, account: Credentials) -> None:
        """Store an account, and send a mail to confirm its address. Raises: EmailTaken."""
        if not await self.stores.accounts.add(account):
            raise EmailTaken("Sign in instead, or use another address.")
        await self._post_verification(account)

    async def _post_verification(self, account: Credentials) -> None:
        if account.email_verified_at is None:
            email, letters = account.email, self.requests.letters
            await self.requests.post_link(
                MailKind.VERIFY_EMAIL, email, account.id, lambda token: letters.verify_email(email, token)
            )

    async def _admission(self, invite: str, email: str) -> Admission:
        """Return the permissions that the invitation gives. Raises: LinkExpired, InvalidInvite, SignupsClosed."""
        if self.admissions.signups is Signups.CLOSED:
            raise SignupsClosed(CLOSED)
        return await self.admissions.invites.admission(invite, email)

    def _used_sign_up(self) -> LinkExpired:
        login = command_for(self.requests.letters.public_url, "bunbase login")
        return LinkExpired(USED_SIGN_UP.format(login=login))

    def _check_signups(self) -> None:
        if self.admissions.signups is not Signups.OPEN:
            who = ONLY_INVITED if self.admissions.signups is Signups.INVITE else NOBODY
            raise SignupsClosed(
                f"{who} The operator of this server can open registration with the setting bunauth.signups."
            )
