"""Invitations to projects and organisations, by mail and by link.

The life of an invitation:

    1. An admin invites an address. The answer is the same whether or not an account has the address, so it does not
      reveal who has an account.
    2. There are two links: the inviter gets the first link, and the mail has the second link. Each link has its own
    token, and BunBase stores only the hash of a token. Holding a token is the whole proof. The address of the account
    that uses the token may differ from
       the invited address, because many people have several addresses. No account can find or accept an invitation by
       its address alone: an account's address may be unconfirmed. The token of the mail also proves the mailbox, so its
       holder may open an account for the invited address (`newcomers.py`).
    3. `accept` makes the caller a member. The invitation is valid only while its sender may still give that role. So a
       removed admin cannot come back through their own invitation.
    4. The invitation remembers the account. A repeated request of this account gets the same answer, and every other
      account gets the answer for an unknown token (410). The invitation is deleted a day after its end.
    5. For a member who already has the role or a stronger role, the invitation changes nothing. So the invitation stays
    open for the invited person, even if a member tries the link first.

Records: docs/decisions/0047-people-own-projects-through-organisations.md, and 0058 for people without an account.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from bunbase.contracts.caller import RANK, Act, Caller, Developer, Role
from bunbase.contracts.invitations import MAILED, SHOWN
from bunbase.contracts.platform import (
    AcceptedInvite,
    Invite,
    InviteNotFound,
    Invites,
    OrganisationNotFound,
    ProjectNotFound,
)
from bunbase.pkg.addresses import normal_email
from bunbase.pkg.clock import Clock
from bunbase.pkg.command_hints import command_for
from bunbase.pkg.cursors import cut_page, page_start
from bunbase.pkg.errors import InvalidInput, RateLimited
from bunbase.pkg.identity.problems import LinkExpired
from bunbase.pkg.ids import new_id
from bunbase.pkg.opaque import fingerprint, new_secret
from bunbase.platform.service.groups import Groups
from bunbase.platform.service.invite_mail import LIFETIME, InviteMail
from bunbase.platform.service.members import People
from bunbase.platform.service.rules import check_strength, forget_at
from bunbase.platform.settings import PlatformSettings
from bunbase.platform.store import Stores
from bunbase.platform.store.groups import Group, GroupKind
from bunbase.platform.store.invites import Hashes, NewInvite, SentInvite

HOUR_SECONDS: Final = 3600
ASK_AGAIN: Final = "Ask the person who invited you for a new invitation."
EXPIRED: Final = "It has expired. Ask the person who invited you for a new invitation."


class Links:
    """The two links of an invitation. `shown`: for the inviter. `mailed`: the link that is only in the mail."""

    def __init__(self, public_url: str) -> None:
        tokens = new_secret(SHOWN), new_secret(MAILED)
        self.shown, self.mailed = (link_with(public_url, token) for token in tokens)
        self.hashes = Hashes(*(fingerprint(token) for token in tokens))


class Invitations:
    def __init__(
        self,
        stores: Stores,
        groups: Groups,
        people: People,
        mail: InviteMail,
        clock: Clock,
        settings: PlatformSettings,
        public_url: str,
    ) -> None:
        self.stores = stores
        self.groups = groups
        self.people = people
        self.clock = clock
        self.settings = settings
        self.public_url = public_url
        self.mail = mail

    async def create(self, caller: Caller, org: str | None, email: str, role: Role) -> Invite:
        inviter, email, now = caller.signed_in(), normal_email(email), self.clock.now()
        group = await self.groups.find_to_change(caller, org, Act.INVITE_CREATE)
        name, links = await self.mail.name_of(inviter), Links(self.public_url)
        admits = await self.mail.bunauth.admits_newcomers(inviter.id)
        invite = Invite(new_id("ivt"), email, role, now, now + LIFETIME, links.shown, admits, *_sender(inviter))
        async with self.stores.changing(group):
            # the new invitation ends the earlier invitation
            earlier = await self.stores.invites.earlier(group, email, now)
            strongest = (role, earlier.role if earlier else role)
            check_strength(await self.groups.role_now(group, caller, Role.ADMIN), *strongest)
            await self.stores.invites.add(
                group, NewInvite(invite.id, email, role, links.hashes, inviter.id, now, invite.expires_at)
            )
            await self._check_room(group)
            if not await self._send(group, inviter, name, invite, links.mailed) and earlier and earlier.mail_hash:
                await self.stores.invites.renew_mail(group, invite.id, earlier.mail_hash, now)
        return invite

    async def list_invites(self, caller: Caller, org: str | None, limit: int, cursor: str | None) -> Invites:
        group = await self.groups.find(caller, org, Act.INVITE_READ)
        query = f"invites:{group.id}"
        start = page_start(query, cursor, str, "")
        found = await self.stores.invites.of(group, self.clock.now(), limit + 1, start)
        page, next = cut_page(found, limit, query, lambda invite: invite.id)
        return Invites(await self._with_inviters(group, page), next)

    async def resend(self, caller: Caller, org: str | None, id: str) -> Invite:
        inviter, now = caller.signed_in(), self.clock.now()
        group = await self.groups.find_to_change(caller, org, Act.INVITE_RESEND)
        name, links = await self.mail.name_of(inviter), Links(self.public_url)
        admits = await self.mail.bunauth.admits_newcomers(inviter.id)
        async with self.stores.changing(group):
            old = await self._open(group, caller, id)
            earlier = await self.stores.invites.earlier(group, old.email, now)
            invite = Invite(
                id, old.email, old.role, old.created_at, now + LIFETIME, links.shown, admits, *_sender(inviter)
            )
            await self.stores.invites.renew(group, id, links.hashes, inviter.id, now, invite.expires_at)
            if not await self._send(group, inviter, name, invite, links.mailed) and earlier and earlier.mail_hash:
                await self.stores.invites.renew_mail(group, id, earlier.mail_hash, now)
        return invite

    async def delete(self, caller: Caller, org: str | None, id: str) -> None:
        group = await self.groups.find(caller, org, Act.INVITE_DELETE)
        async with self.stores.changing(group):
            await self._open(group, caller, id)
            await self.stores.invites.delete(group, id, self.clock.now())

    async def accept(self, caller: Caller, token: str) -> AcceptedInvite:
        caller.check(Act.INVITE_ACCEPT)
        return await self.join(caller.signed_in().id, token)

    async def join(self, developer: str, token: str) -> AcceptedInvite:
        """Make an account a member. The caller of this method has checked that a person acts for the account."""
        found = await self._sent(fingerprint(token))
        if found.accepted_by is None:
            await self._check_inviter(found)
        async with self.locked(token) as sent:
            if sent.accepted_by not in (None, developer):
                raise self._accepted()
            joins = sent.accepted_by is None and await self.join_now(sent, developer)
        joined = await self.joined(sent.group, developer)
        return joined if joins else msgspec.structs.replace(joined, already_member=True)

    async def find_open(self, token: str) -> SentInvite:
        """Return the invitation of a link that can be accepted now. Raises: LinkExpired."""
        found = await self._sent(fingerprint(token))
        self.check_open(found)
        await self._check_inviter(found)
        return found

    def check_open(self, sent: SentInvite) -> None:
        """Raises: LinkExpired."""
        if sent.accepted_by is not None:
            raise self._accepted()
        if sent.expires_at <= self.clock.now():
            raise LinkExpired(EXPIRED)

    def _accepted(self) -> LinkExpired:
        login = command_for(self.public_url, "bunbase login")
        return LinkExpired(
            f"It was accepted already. If you accepted it, you are a member: sign in, in a terminal, with {login}. "
            "Otherwise ask the person who invited you for a new invitation."
        )

    @asynccontextmanager
    async def locked(self, token: str) -> AsyncIterator[SentInvite]:
        """Run the block in a transaction, while nobody else changes the invitation. Raises: LinkExpired."""
        hash = fingerprint(token)
        sent = await self._sent(hash)
        try:
            async with self.stores.changing(sent.group):
                yield await self._sent(hash)  # read the invitation again, now that no other request can change it
        except (ProjectNotFound, OrganisationNotFound):
            raise LinkExpired(ASK_AGAIN) from None

    async def check(self, token: str) -> None:
        """Raises: LinkExpired if the link does not belong to an invitation. The invitation may be accepted already."""
        await self._sent(fingerprint(token))

    async def check_acceptable(self, sent: SentInvite) -> None:
        """Raises: LinkExpired if the invitation cannot be accepted now."""
        self.check_open(sent)
        inviter = await self.stores.members.role(sent.group, sent.invited_by)
        if inviter is None or RANK[inviter] < max(RANK[Role.ADMIN], RANK[sent.role]):
            raise LinkExpired(ASK_AGAIN)

    async def join_now(self, sent: SentInvite, developer: str) -> bool:
        """Make an account a member. Return False and change nothing if the account already has the role or a stronger
        role.

        Call this in the block of `locked`. Raises: LinkExpired, InvalidInput.
        """
        members, group, now = self.stores.members, sent.group, self.clock.now()
        await self.check_acceptable(sent)
        found = await members.find(group, developer)
        own = None if found is None else found.own_role
        if own is None:
            await self.people.check_room(group)
        elif RANK[own] >= RANK[sent.role]:
            return False
        await members.put(group, developer, sent.role, now, forget_at(self.clock))
        await self.stores.invites.accept(sent.id, developer)
        return True

    async def joined(self, group: Group, developer: str) -> AcceptedInvite:
        """Return the group. Raises: LinkExpired if the developer was removed after accepting."""
        if group.kind is GroupKind.PROJECT:
            row = await self.stores.projects.find(group.id, developer)
            if row is not None and row.deleted_at is None:
                return AcceptedInvite(row.role, project=row.project())
        elif (org := await self.stores.orgs.find(group.id, developer)) is not None:
            return AcceptedInvite(org.role, org=org)
        raise LinkExpired(ASK_AGAIN)

    async def _with_inviters(self, group: Group, page: Sequence[Invite]) -> tuple[Invite, ...]:
        """Return invitations, each with the address of its sender if the sender is still a member. A person who has
        left may have a new address, which the members must not see.
        """
        senders = tuple(await self.stores.members.among(group, tuple({one.invited_by for one in page})))
        addresses = {one.id: one.email for one in await self.mail.bunauth.accounts(senders)} if senders else {}
        return tuple(msgspec.structs.replace(one, inviter=addresses.get(one.invited_by, "")) for one in page)

    async def _check_inviter(self, sent: SentInvite) -> None:
        """Ask BunAuth about the inviter's account. Call this outside of a transaction.

        Raises: LinkExpired if the account is suspended or deleted.
        """
        if not await self.mail.bunauth.acts(sent.invited_by):
            raise LinkExpired(ASK_AGAIN)

    async def _sent(self, hash: bytes) -> SentInvite:
        found = await self.stores.invites.by_hash(hash)
        if found is None:
            raise LinkExpired(ASK_AGAIN)
        return found

    async def _open(self, group: Group, caller: Caller, id: str) -> Invite:
        """Return an open invitation that the caller may change. Raises: InviteNotFound, Forbidden."""
        found = await self.stores.invites.find(group, id, self.clock.now())
        if found is None:
            raise InviteNotFound
        check_strength(await self.groups.role_now(group, caller, Role.ADMIN), found.role)
        return found

    async def _check_room(self, group: Group) -> None:
        """Raise InvalidInput if the group now has more open invitations than it may have."""
        limit = self.settings.max_open_invites
        if await self.stores.invites.count(group, self.clock.now()) > limit:
            raise InvalidInput(
                f"There are {limit} open invitations here, and there cannot be more. Withdraw one first."
            )

    async def _send(self, group: Group, inviter: Developer, name: str, invite: Invite, url: str) -> bool:
        """Post the mail. Return False if the address gets too many mails. Then the link of an earlier mail must stay
        valid.

        Raises: RateLimited if the group or the inviter has sent too many invitations in this hour.
        """
        now = self.clock.now()
        for sender in (group.id, inviter.id):
            if await self.stores.invites.count_sent(sender, now) > self.settings.max_invites_per_hour:
                wait = HOUR_SECONDS - int(now.timestamp()) % HOUR_SECONDS
                raise RateLimited(
                    "Too many invitations were sent in this hour. Try again in the next one.",
                    retry_after_seconds=wait,
                )
        target = await self.stores.name_of(group)
        return await self.mail.post(group, target, (name, inviter.email), invite, url)


def link_with(public_url: str, token: str) -> str:
    return f"{public_url}/invite?token={token}"


def _sender(inviter: Developer) -> tuple[str, str]:
    return inviter.id, inviter.email
