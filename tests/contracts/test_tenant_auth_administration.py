from __future__ import annotations

from urllib.parse import unquote

import pytest

from bunbase.contracts.caller import Role
from bunbase.contracts.tenant_auth.activity import ActivityFilter, UserAct
from bunbase.contracts.tenant_auth.bulk import BulkAction, BulkChange, BulkFilter, NotChanged
from bunbase.contracts.tenant_auth.impersonation import LinkKind, NewHandedLink, NewImpersonation
from bunbase.contracts.tenant_auth.problems import ImpersonationRefused, NoLink
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.users import NewUser, UserFilter, UserOrder
from bunbase.pkg.clock import SystemClock
from tests.contracts.test_tenant_auth import tenant_auth as tenant_auth  # the fixture, local and remote
from tests.rooms import member_caller, secret_caller
from tests.tenant_auth.people import AT_BAKERY, BAKERY, as_user, without_password


async def test_administrators_help_find_and_change_users(tenant_auth: TenantAuth) -> None:
    ada, server, clock = member_caller(BAKERY, Role.DEVELOPER), secret_caller(BAKERY), SystemClock()
    eve = (await without_password(tenant_auth, "eve@example.com", clock)).end_user()
    bob = await tenant_auth.create_user(server, NewUser("bob@example.com"))

    link = await tenant_auth.create_user_link(ada, eve.uid, NewHandedLink(LinkKind.VERIFY_EMAIL))
    await tenant_auth.verify_user_email(AT_BAKERY, unquote(link.url.rpartition("token=")[2]))
    with pytest.raises(NoLink):
        await tenant_auth.create_user_link(ada, eve.uid, NewHandedLink(LinkKind.VERIFY_EMAIL))
    opened = await tenant_auth.impersonate_user(ada, eve.uid, NewImpersonation("ticket 4711"))
    in_place = await as_user(tenant_auth, AT_BAKERY, opened.access_token, lambda: clock.now().timestamp())
    assert (opened.impersonated_by, (await tenant_auth.me(in_place)).id) == ("usr_ada", eve.uid)
    with pytest.raises(ImpersonationRefused):
        await tenant_auth.end_own_sessions(in_place, keep_current=True)

    found = await tenant_auth.users(server, UserFilter(q="e", anonymous=False, order=UserOrder.EMAIL), 10, None)
    assert [one.id for one in found.items] == [eve.uid]
    banned = await tenant_auth.change_users(ada, BulkChange(BulkAction.BAN, (eve.uid, "usr_x")))
    assert (banned.done, banned.failed) == (1, (NotChanged("usr_x", "user_not_found"),))
    gone = await tenant_auth.change_users(ada, BulkChange(BulkAction.DELETE, filter=BulkFilter(banned=False)))
    assert (gone.done, gone.next) == (1, None)
    assert [one.id for one in (await tenant_auth.users(server, UserFilter(), 10, None)).items] == [eve.uid] != [bob.id]

    everything = await tenant_auth.project_user_activity(ada, ActivityFilter(action=UserAct.BAN), 10, None)
    assert [one.user for one in everything.items] == [eve.uid]
    assert (await tenant_auth.user_activity(server, bob.id, 10, None)).items[0].action == UserAct.DELETE
    assert (await tenant_auth.own_user_activity(in_place, 1, None)).items[0].action == UserAct.BAN

    (month,) = await tenant_auth.monthly_active_users(BAKERY)
    assert (month.users, month.anonymous) == (1, 0)
    assert await tenant_auth.active_users_of_installation() == 1
