"""The mail of an invitation."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Developer
from bunbase.contracts.platform import Invite
from bunbase.pkg.mail.composing import compose, in_words
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.mail.templates import MEMBER_INVITE
from bunbase.platform.store.groups import Group, GroupKind

APP: Final = "BunBase"
LIFETIME: Final = timedelta(days=7)  # of an invitation


class InviteMail:
    def __init__(self, mails: MailOutbox, bunauth: BunAuth) -> None:
        self.mails = mails
        self.bunauth = bunauth

    async def name_of(self, inviter: Developer) -> str:
        """Return the inviter's name, or the first part of the address if the account has no name."""
        accounts = await self.bunauth.accounts((inviter.id,))
        names = [account.name for account in accounts if account.name]
        return names[0] if names else inviter.email.partition("@")[0]

    async def post(self, group: Group, target: str, inviter: tuple[str, str], invite: Invite) -> None:
        """Post the mail, in the transaction that stores the invitation.

        `target`: the name of the project or organisation. `inviter`: name and email.
        """
        name, email = inviter
        fields = {
            "app": APP,
            "inviter": name,
            "inviter_email": email,
            "target": target,
            "role": invite.role.value,
            "valid_for": in_words(int(LIFETIME.total_seconds())),
            "url": invite.url or "",
        }
        project = group.id if group.kind is GroupKind.PROJECT else ""
        await self.mails.post(compose(MEMBER_INVITE, invite.email, fields, project))
