"""The mail of an invitation."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Developer
from bunbase.contracts.platform import Invite
from bunbase.pkg.mail.composing import compose, in_words
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.mail.templates import DAY, HOUR, MEMBER_INVITE
from bunbase.platform.store.groups import Group, GroupKind

APP: Final = "BunBase"
LIFETIME: Final = timedelta(days=7)  # an invitation is valid for this long


class InviteMail:
    def __init__(self, mails: MailOutbox, bunauth: BunAuth) -> None:
        self.mails = mails
        self.bunauth = bunauth

    async def name_of(self, inviter: Developer) -> str:
        """Return the inviter's name, or the first part of the address if the account has no name."""
        accounts = await self.bunauth.accounts((inviter.id,))
        return shown_name(accounts[0].name if accounts else "", inviter.email)

    async def post(
        self,
        group: Group,
        target: str,
        inviter: tuple[str, str],
        invite: Invite,
        url: str,
        lifetime: timedelta = LIFETIME,
    ) -> bool:
        """Post the mail, in the transaction that stores the invitation. Return False if BunBase sends the address too
        many mails.

        `target`: the name of the project or organisation. `inviter`: name and email. `url`: the link of the mail.
        """
        name, email = inviter
        fields = {
            "app": APP,
            "inviter": name,
            "inviter_email": email,
            "kind": group.kind.in_words.value,
            "target": target,
            "role": invite.role.value,
            "valid_for": in_words(_rest(lifetime)),
            "url": url,
        }
        project = group.id if group.kind is GroupKind.PROJECT else ""
        return await self.mails.post(compose(MEMBER_INVITE, invite.email, fields, project))


def shown_name(name: str, email: str) -> str:
    """Return the name of an inviter, or the first part of the address if the account has no name."""
    return name or email.partition("@")[0]


def _rest(lifetime: timedelta) -> int:
    """Return the seconds that are left, rounded to whole days or to whole hours, but at least one hour."""
    unit = DAY if lifetime >= timedelta(days=1) else HOUR
    return max(round(lifetime.total_seconds() / unit), 1) * unit
