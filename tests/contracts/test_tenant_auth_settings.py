from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from bunbase.contracts.bunauth.problems import LinkExpired, SignupsClosed
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.tenant_auth.problems import EmailDomainNotAllowed, UserInviteNotFound
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.signups import NewUserInvite
from tests.contracts.test_tenant_auth import tenant_auth as tenant_auth  # the fixture, local and remote
from tests.pkg.waiting import until_true
from tests.rooms import member_caller
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, signed_up

EVE = "eve@example.com"
LINK = re.compile(r"/v1/auth/ui/sign-up\?project=\w+&token=(\S+)")


async def test_people_sign_up_as_the_settings_say(tenant_auth: TenantAuth) -> None:
    ada = member_caller(BAKERY)
    await tenant_auth.change_project_auth(ada, {"signups": "closed"}, None)
    with pytest.raises(SignupsClosed):
        await signed_up(tenant_auth)
    await tenant_auth.change_project_auth(ada, {"signups": None, "email_domains": ["example.com"]}, None)
    with pytest.raises(EmailDomainNotAllowed):
        await signed_up(tenant_auth, AT_BAKERY, "eve@example.org")

    invite = await tenant_auth.invite_user(ada, NewUserInvite("fred@example.org", "editor"))
    assert invite.url.endswith(await _token(tenant_auth, invite.email))
    assert [one.id for one in (await tenant_auth.user_invites(ada, 10, None)).items] == [invite.id]
    await tenant_auth.withdraw_user_invite(ada, invite.id)
    with pytest.raises(UserInviteNotFound):
        await tenant_auth.withdraw_user_invite(ada, invite.id)

    tokens = []
    for email in (EVE, "ada@example.com"):
        assert await tenant_auth.signup(AT_BAKERY, email, PASSWORD, {}) is None
        tokens.append(await _token(tenant_auth, email))
    made = await tenant_auth.confirm_user_signup(AT_BAKERY, tokens[0], PASSWORD)
    await tenant_auth.open_confirmed_user(Caller(CallerKind.ANONYMOUS, project=BAKERY), tokens[1], PASSWORD)

    assert made.user.email_verified
    assert (await tenant_auth.login(AT_BAKERY, "ada@example.com", PASSWORD)).user.email_verified
    with pytest.raises(LinkExpired):
        await tenant_auth.confirm_user_signup(AT_BAKERY, tokens[0], PASSWORD)


async def _token(tenant_auth: TenantAuth, email: str) -> str:
    """Wait for a mail to an address, and return its token."""
    found: list[str] = []

    async def has_come() -> bool:
        for mail in await tenant_auth.dev_mails(email, BAKERY, 10, ""):
            found.extend(LINK.findall(mail.text))
        return bool(found)

    await until_true(has_come)
    return unquote(found[0])
