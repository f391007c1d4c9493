"""Create the link of a mail for an administrator, who sends it in another way."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.tenant_auth.activity import UserAct
from bunbase.contracts.tenant_auth.impersonation import HandedLink, LinkKind, NewHandedLink
from bunbase.contracts.tenant_auth.problems import NoLink
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.mail.account_letters import RESET_SECONDS, SIGN_IN_SECONDS, VERIFY_SECONDS
from bunbase.pkg.mail.letters import Letter
from bunbase.tenant_auth.journal import Event, administrator
from bunbase.tenant_auth.mail_kinds import MailKind
from bunbase.tenant_auth.people import Person, existing, refuse_banned
from bunbase.tenant_auth.pool import Pool, Pools
from bunbase.tenant_auth.service.callers import managed_project


class _Link(msgspec.Struct, frozen=True):
    """A kind of link. `page`: the page that the link opens. `seconds`: the lifetime, which is the same as in a mail."""

    mail: MailKind
    page: str
    seconds: int


LINKS: Final = {
    LinkKind.PASSWORD_RESET: _Link(MailKind.PASSWORD_RESET, "reset-password", RESET_SECONDS),
    LinkKind.SIGN_IN: _Link(MailKind.SIGN_IN_LINK, "sign-in-link", SIGN_IN_SECONDS),
    LinkKind.VERIFY_EMAIL: _Link(MailKind.VERIFY_EMAIL, "verify-email", VERIFY_SECONDS),
}


class UserLinks:
    def __init__(self, pools: Pools) -> None:
        self.pools = pools
        self.stores = pools.stores

    async def create(self, caller: Caller, id: str, new: NewHandedLink) -> HandedLink:
        """Create a link. Raises: UserNotFound, UserBanned, NoLink, InvalidInput."""
        pool = await self.pools.of(managed_project(caller, Act.USER_LINK_CREATE))
        target, link = _target(pool, new), LINKS[new.kind]
        async with self.stores.db.transaction():
            # The user is locked before the link, in the same order as in all other code.
            person = existing(await self.stores.users.locked(pool.project, id))
            refuse_banned(person, pool.clock.now())
            email = _address(person, new.kind)
            url = await _made(pool, link, id, email, target)
            event = Event(UserAct.LINK_CREATE, target=new.kind.value)
            await self.pools.journal.add(pool.project, id, event, administrator(caller))
        return HandedLink(new.kind, email, pool.clock.now() + timedelta(seconds=link.seconds), url)


async def _made(pool: Pool, link: _Link, id: str, email: str, target: str) -> str:
    """Store a link, and return its URL. Afterwards, the user has no other valid link of this kind."""
    urls: list[str] = []

    def letter(token: str) -> Letter:
        urls.append(pool.page(link.page, token))
        return pool.letters.sign_in_link(email, urls[0])  # This letter is never sent.

    # A sign-in link belongs to the mailbox, because the user of the mailbox may change. Other links belong to the user.
    user = None if link.mail is MailKind.SIGN_IN_LINK else id
    await pool.stores.mail_tokens.forget_of_account(id, link.mail)
    await pool.stores.mail_tokens.forget_of_address(email, link.mail)
    await pool.links.make(link.mail, email, user, link.seconds, letter, target)
    return urls[0]


def _target(pool: Pool, new: NewHandedLink) -> str:
    """Return the URL of the app to which the link leads, or "" for none. Raises: InvalidInput."""
    if new.kind is not LinkKind.SIGN_IN or new.redirect_to:
        return pool.checked_redirect(new.redirect_to)
    if not pool.auth.redirect_urls:
        raise InvalidInput.at("/redirect_to", "First add an address of your app to the setting redirect_urls.")
    return pool.auth.redirect_urls[0]


def _address(person: Person, kind: LinkKind) -> str:
    """Return the address that the link confirms. Raises: NoLink."""
    if person.email is None:
        raise NoLink("The user has no email address. First add one to the user.")
    if kind is LinkKind.VERIFY_EMAIL and person.user.email_verified:
        raise NoLink("The address of the user is confirmed already.")
    return person.email
