"""Change the password of a user, or reset it with a mail."""

from __future__ import annotations

from functools import partial

from bunbase.contracts.bunauth.problems import LinkExpired
from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.pkg.identity.factors import Proof
from bunbase.tenant_auth.captchas import Captchas
from bunbase.tenant_auth.first_proofs import take_over
from bunbase.tenant_auth.journal import Event, the_user
from bunbase.tenant_auth.mail_kinds import MailKind
from bunbase.tenant_auth.people import Person, reset_by_mail, sign_up_first, signed_in_person, with_password
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.profiles import checked_sign_in_name
from bunbase.tenant_auth.service.callers import keyed_project, linked_project
from bunbase.tenant_auth.service.mail_requests import MailRequests
from bunbase.tenant_auth.service.proofs import Proofs


class Password:
    def __init__(self, requests: MailRequests, proofs: Proofs, captchas: Captchas) -> None:
        self.requests = requests
        self.captchas = captchas
        self.proofs = proofs
        self.stores = requests.stores
        self.pools = requests.pools

    async def change(self, caller: Caller, password: str, current: str | None) -> None:
        """Set a new password. All other sessions end. The caller's session stays, but needs a refresh.

        Raises: SignUpFirst, ReauthenticationRequired, WrongProof, InvalidInput, WeakPassword, SignInBusy.
        """
        pool = await self.pools.of(keyed_project(caller))
        pool.new_passwords.check_length(password)
        if caller.end_user().anonymous:
            raise sign_up_first()
        if current is not None:
            await self.proofs.reauthenticate(caller, Proof(current))
        user = await self.proofs.need_fresh(caller)
        person = signed_in_person(await self.stores.users.by_id(pool.project, user.uid))
        name = checked_sign_in_name(person.email, person.user.phone)
        hash = await pool.new_passwords.hash(password, name, person)
        until, now = await self.pools.revoked_until(), pool.clock.now()
        async with self.stores.db.transaction():
            alter = partial(with_password, hash=hash, now=now)
            changed = signed_in_person(await self.stores.users.change(pool.project, user.uid, alter, now, until))
            await self.stores.sessions.end_others(pool.project, user.uid, user.session, now, until)
            await self.pools.journal.add(pool.project, user.uid, Event(UserAct.PASSWORD_CHANGE), the_user(caller))
            await self._tell(pool, changed)

    async def request_reset(self, caller: Caller, email: str, redirect_to: str, captcha: str = "") -> None:
        """Request a mail to reset the password.

        Raises: InvalidInput, CaptchaRequired, CaptchaRefused, CaptchaUnavailable.
        """
        pool = await self.pools.of(linked_project(caller))
        pool.checked_redirect(redirect_to)
        await self.captchas.check(caller, pool, captcha)
        await self.requests.request(caller, MailKind.PASSWORD_RESET, email, redirect_to)

    async def reset(self, caller: Caller, token: str, password: str) -> str:
        """Set a new password with a mailed link. All sessions end, and the address is confirmed.

        Second factors and identities stay, because access to a mailbox alone must not replace them. But if the address
        was not confirmed before, somebody else may have signed up with it. In this case, everything ends
        (`first_proofs.py`). Return the URL of the app to go back to, or "". Raises: LinkExpired, InvalidInput,
        WeakPassword, SignInBusy.
        """
        pool, until = await self.pools.of(linked_project(caller)), await self.pools.revoked_until()
        pool.new_passwords.check_length(password)
        link = await pool.links.find(token, MailKind.PASSWORD_RESET)
        if link is None or link.user_id is None:  # This check comes before the password is hashed, which is expensive.
            raise _expired()
        known = await self.stores.users.by_id(pool.project, link.user_id)
        hash, now = await pool.new_passwords.hash(password, link.email, known), pool.clock.now()
        async with self.stores.db.transaction():
            # The user is locked before the link, in the same order as in a deletion of the user, to avoid deadlocks.
            before = await self.stores.users.locked(pool.project, link.user_id)
            taken = await pool.links.take(token, MailKind.PASSWORD_RESET)
            if before is None or taken is None or before.email != link.email:  # The address was changed meanwhile.
                raise _expired()
            won = await take_over(pool, before, until)
            alter = partial(reset_by_mail, hash=hash, now=now)
            changed = await self.stores.users.change(pool.project, before.id, alter, now, until)
            for act in (UserAct.PASSWORD_RESET, UserAct.TAKE_OVER) if won else (UserAct.PASSWORD_RESET,):
                await self.pools.journal.add(pool.project, before.id, Event(act), the_user(caller))
            await self._tell(pool, changed or before)
        return pool.way_back(link.name)

    async def _tell(self, pool: Pool, person: Person) -> None:
        """Make other links to a new password useless, and inform the owner by mail.

        Call this inside the transaction.
        """
        await pool.stores.mail_tokens.forget_of_account(person.id, MailKind.PASSWORD_RESET)
        if person.email:
            await pool.stores.mails.post(pool.letters.password_changed(person.email))


def _expired() -> LinkExpired:
    return LinkExpired("Ask for a new mail, and use its link.")
