from __future__ import annotations

from typing import Any

import pytest

from bunbase.contracts.bunauth.problems import SignupsClosed
from bunbase.contracts.caller import Role
from bunbase.contracts.tenant_auth.problems import EmailDomainNotAllowed
from bunbase.contracts.tenant_auth.users import NewUser, User
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Problem
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.sign_in_methods import PASSWORD as BY_PASSWORD
from tests.rooms import member_caller, secret_caller
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, PASSWORD, signed_up

ADA = member_caller(BAKERY, Role.ADMIN)


@pytest.mark.parametrize(
    ("settings", "email", "refusal"),
    [
        ({"signups": "closed"}, "eve@example.com", SignupsClosed),
        ({"signups": "invite"}, "eve@example.com", SignupsClosed),
        ({"email_domains": ["example.com"]}, "eve@example.org", EmailDomainNotAllowed),
        ({"email_domains": ["example.com"]}, "eve@sub.example.com", EmailDomainNotAllowed),
        ({"email_domains": ["example.com"]}, None, EmailDomainNotAllowed),
    ],
)
async def test_no_way_to_sign_up_opens_a_user_whom_the_settings_exclude(
    tenant_auth: TenantAuthService,
    clock: ManualClock,
    settings: dict[str, Any],
    email: str | None,
    refusal: type[Problem],
) -> None:
    await tenant_auth.change_project_auth(ADA, settings, None)
    stranger = Person(User("usr_x", email, False, "user", {}, {}, clock.now()))

    with pytest.raises(refusal):
        await tenant_auth.opening.open_first_session(AT_BAKERY, stranger, BY_PASSWORD)
    if email is not None:
        with pytest.raises(refusal):
            await signed_up(tenant_auth, AT_BAKERY, email)

    assert await tenant_auth.stores.db.value("SELECT count(*) FROM users") == 0


async def test_the_projects_server_adds_users_whom_the_settings_exclude(tenant_auth: TenantAuthService) -> None:
    await tenant_auth.change_project_auth(ADA, {"signups": "closed", "email_domains": ["example.com"]}, None)

    made = await tenant_auth.create_user(secret_caller(BAKERY), NewUser("eve@example.org", PASSWORD))

    assert (await tenant_auth.login(AT_BAKERY, "eve@example.org", PASSWORD)).user.id == made.id
    assert await signed_up(tenant_auth, AT_LIBRARY, "eve@example.org")  # Another project has its own settings.
