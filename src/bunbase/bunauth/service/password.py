"""Change the password of an account, or reset it with a mail."""

from __future__ import annotations

from typing import Final

from bunbase.bunauth.service.activity import Happened
from bunbase.bunauth.service.earlier_access import EarlierAccess
from bunbase.bunauth.service.mail_requests import MailRequests
from bunbase.bunauth.service.proofs import Proofs
from bunbase.bunauth.service.session_tokens import SessionTokens
from bunbase.bunauth.store import Stores
from bunbase.bunauth.store.mail_tokens import MailKind
from bunbase.contracts.bunauth.accounts import PasswordReset, Proof
from bunbase.contracts.bunauth.activity import Activity
from bunbase.contracts.bunauth.problems import LinkExpired
from bunbase.contracts.caller import Caller
from bunbase.pkg.new_passwords import NewPasswords
from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.passwords import check_password

RESETS: Final = (MailKind.PASSWORD_RESET,)


class Password:
    def __init__(
        self, stores: Stores, passwords: NewPasswords, proofs: Proofs, tokens: SessionTokens, requests: MailRequests
    ) -> None:
        self.stores = stores
        self.passwords = passwords
        self.proofs = proofs
        self.tokens = tokens
        self.requests = requests
        self.letters = requests.letters
        self.clock = tokens.clock
        self.earlier_access = EarlierAccess(stores, tokens, self.letters.account)

    async def change(self, caller: Caller, password: str, current: str | None) -> None:
        """Set a new password. All other sessions end. The caller's session and personal tokens stay.

        `current`: the current password, which is a proof; None if the person has recently reauthenticated.
        Raises: ReauthenticationRequired, WrongProof, InvalidInput, Forbidden.
        """
        check_password(password)
        if current is not None:
            await self.proofs.reauthenticate(caller, Proof(current))
        developer = await self.proofs.need_fresh(caller)
        account = await self.stores.accounts.existing(developer.id)
        hash = await self.passwords.hash(password, account.email)
        async with self.stores.db.transaction():
            await self.tokens.activity.add(caller, developer.id, Happened(Activity.CHANGE_PASSWORD))
            await self._replace(developer.id, hash, keep=developer.session)

    async def request_reset(self, email: str) -> None:
        await self.requests.request(MailKind.PASSWORD_RESET, email)

    async def reset(self, caller: Caller, token: str, password: str) -> PasswordReset:
        """Set a new password with a mailed link. All sessions end, and the address is verified.

        Second factors and passkeys stay, because access to a mailbox alone must not replace them. However, if the
        address was not verified before, somebody else may have opened the account. In this case, all factors,
        identities and personal tokens are also removed, and the return value names them.
        Raises: LinkExpired, InvalidInput.
        """
        check_password(password)
        link, now = fingerprint(token), self.clock.now()
        linked = await self.stores.mail_tokens.find(link, RESETS, now)
        if linked is None:  # This check comes before the password is hashed, which is expensive.
            raise _link_expired()
        hash = await self.passwords.hash(password, linked.email)
        async with self.stores.db.transaction():
            # The account is locked before the link, in the same order as in a deletion of the account, to avoid
            # deadlocks.
            account = await self.stores.accounts.locked(linked.user_id) if linked.user_id else None
            found = await self.stores.mail_tokens.take(link, RESETS, now)
            if found is None or found.user_id is None or account is None or account.email != found.email:
                raise _link_expired()
            removed: tuple[str, ...] = ()
            if not account.verified:
                removed = await self.earlier_access.end(caller, found.user_id, account.email)
            await self.stores.accounts.verify_email(found.user_id, found.email, now)
            await self.tokens.activity.add(caller, found.user_id, Happened(Activity.RESET_PASSWORD))
            await self._replace(found.user_id, hash)
        return PasswordReset(removed)

    async def _replace(self, user: str, hash: str, keep: str = "") -> None:
        """Store a new password, end all sessions except `keep`, and inform the owner.

        Call this inside a transaction.
        """
        now = self.clock.now()
        account = await self.stores.accounts.locked(user)
        await self.stores.accounts.set_password_hash(user, hash)
        await self.stores.mail_tokens.forget_of_account(user, MailKind.PASSWORD_RESET)
        await self.stores.sessions.end_all(user, now, await self.tokens.revoked_until(now), keep)
        if account is not None:
            await self.stores.mails.post(self.letters.account.password_changed(account.email))


def _link_expired() -> LinkExpired:
    return LinkExpired("Ask for a new mail, and use its link.")
