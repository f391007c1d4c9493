"""Invite people to become users of a project, also where nobody may sign up by themselves."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from bunbase.contracts.bunauth.problems import EmailTaken
from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.tenant_auth.signups import NewUserInvite, UserInvite
from bunbase.pkg.addresses import normal_email
from bunbase.pkg.mail.account_letters import INVITE_SECONDS
from bunbase.pkg.mail.letters import Letter
from bunbase.tenant_auth.mail_kinds import MailKind
from bunbase.tenant_auth.pool import Pools
from bunbase.tenant_auth.profiles import check_data, check_role
from bunbase.tenant_auth.service.callers import managed_project


class UserInvites:
    """The link of an invitation is used up as that of a sign-up (`sign_up.py`)."""

    def __init__(self, pools: Pools) -> None:
        self.pools = pools
        self.stores = pools.stores

    async def invite(self, caller: Caller, new: NewUserInvite) -> UserInvite:
        """Send an invitation. Raises: InvalidInput, EmailTaken, Forbidden, Unauthenticated."""
        project, email = managed_project(caller, Act.USER_CREATE), normal_email(new.email)
        check_role(new.role)
        check_data(new.data)
        pool, urls = await self.pools.of(project), list[str]()

        def letter(token: str) -> Letter:
            urls.append(pool.page("sign-up", token))
            return pool.letters.user_invite(email, urls[0])

        kept = msgspec.json.encode({"role": new.role, "data": new.data}).decode()
        async with self.stores.db.transaction():
            if await self.stores.users.by_email(project, email) is not None:
                raise EmailTaken("This address has a user already.")
            await pool.stores.mail_tokens.forget_of_address(email, MailKind.INVITE)
            await pool.links.post(MailKind.INVITE, email, None, INVITE_SECONDS, letter, kept)
        return UserInvite(email, new.role, pool.clock.now() + timedelta(seconds=INVITE_SECONDS), urls[0])
