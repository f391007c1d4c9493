"""Invite people to become users of a project. This also works if nobody may sign up without an invitation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec

from bunbase.contracts.bunauth.problems import EmailTaken
from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.tenant_auth.problems import UserInviteNotFound
from bunbase.contracts.tenant_auth.signups import NewUserInvite, OpenUserInvite, OpenUserInvites, UserInvite
from bunbase.pkg.addresses import normal_email
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.mail.account_letters import INVITE_SECONDS
from bunbase.pkg.mail.headers import one_line
from bunbase.pkg.mail.letters import Letter
from bunbase.pkg.opaque import fingerprint
from bunbase.tenant_auth.mail_kinds import MailKind
from bunbase.tenant_auth.pool import Pools
from bunbase.tenant_auth.profiles import check_data, check_language, check_role
from bunbase.tenant_auth.service.callers import managed_project
from bunbase.tenant_auth.store.invites import HASH_BYTES, OpenInvite, invite_id

LIFETIME: Final = timedelta(seconds=INVITE_SECONDS)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = 10**17  # These microseconds mean the year 5138. Every invitation expires earlier.


class Position(msgspec.Struct, frozen=True, array_like=True):
    """A position in the list, in microseconds. If cursors contained a time, PostgreSQL could refuse its value."""

    expires_at: Annotated[int, msgspec.Meta(ge=0, le=LATEST)]
    hash: Annotated[bytes, msgspec.Meta(max_length=HASH_BYTES)]

    def values(self) -> tuple[datetime, bytes]:
        return EPOCH + timedelta(microseconds=self.expires_at), self.hash


LAST: Final = Position(LATEST, b"")


class UserInvites:
    """Invitations. A link of an invitation is used up in the same way as a link of a sign-up (`sign_up.py`)."""

    def __init__(self, pools: Pools) -> None:
        self.pools = pools
        self.stores = pools.stores

    async def invite(self, caller: Caller, new: NewUserInvite) -> UserInvite:
        """Send an invitation. Raises: InvalidInput, EmailTaken, Forbidden, Unauthenticated."""
        project, email = managed_project(caller, Act.USER_INVITE_CREATE), normal_email(new.email)
        check_role(new.role)
        check_data(new.data)
        check_language(new.language)
        pool, tokens = await self.pools.of(project), list[str]()
        redirect_to = pool.checked_redirect(new.redirect_to)

        def letter(token: str) -> Letter:
            tokens.append(token)
            return pool.letters_asked_in(new.language).user_invite(
                email, pool.page("sign-up", token), one_line(new.inviter), one_line(new.target)
            )

        note = {"role": new.role, "data": new.data, "language": new.language, "redirect_to": redirect_to}
        kept = msgspec.json.encode(note).decode()
        async with self.stores.db.transaction():
            if await self.stores.users.by_email(project, email) is not None:
                raise EmailTaken("This address has a user already.")
            # The links are locked before the mailbox, as `MailLinks` explains.
            await pool.stores.mail_tokens.of_address_locked(email, MailKind.INVITE)
            mail = await pool.links.make(MailKind.INVITE, email, None, INVITE_SECONDS, letter, kept)
            [token] = tokens
            await self._end_earlier(project, email, fingerprint(token), kept, await self.stores.mails.post(mail))
        expires_at = pool.clock.now() + LIFETIME
        return UserInvite(invite_id(fingerprint(token)), email, new.role, expires_at, pool.page("sign-up", token))

    async def list_open(self, caller: Caller, limit: int, cursor: str | None) -> OpenUserInvites:
        """Return the open invitations, newest first. Raises: InvalidCursor, Forbidden."""
        project, now = managed_project(caller, Act.USER_READ), self.stores.clock.now()
        query = f"user invites:{project}"
        before = page_start(query, cursor, Position, LAST)
        found = await self.stores.invites.page(project, now, before.values(), limit + 1)
        page, next = cut_page(found, limit, query, lambda one: Position(_microseconds(one.expires_at), one.hash))
        return OpenUserInvites(tuple(_shown(one) for one in page), next)

    async def withdraw(self, caller: Caller, id: str) -> None:
        """End an invitation. Raises: UserInviteNotFound, Forbidden."""
        project = managed_project(caller, Act.USER_INVITE_DELETE)
        if not await self.stores.invites.delete(project, id, self.stores.clock.now()):
            raise UserInviteNotFound("List the open invitations with GET /v1/auth/invites.")

    async def _end_earlier(self, project: str, email: str, hash: bytes, kept: str, posted: bool) -> None:
        """End the earlier invitations of an address, because the new invitation with this hash replaces them.

        If the address has received too many mails, the new invitation was not posted. In this case, the link in the
        earlier mail stays valid until its own end, and creates the same user as the new link.
        """
        if posted:
            await self.stores.invites.end_earlier(project, email, hash)
        else:
            await self.stores.invites.keep_mailed(project, email, hash, kept)


def _shown(one: OpenInvite) -> OpenUserInvite:
    role = str(msgspec.json.decode(one.name)["role"])
    return OpenUserInvite(one.id, one.email, role, one.expires_at - LIFETIME, one.expires_at)


def _microseconds(time: datetime) -> int:
    return (time - EPOCH) // timedelta(microseconds=1)
