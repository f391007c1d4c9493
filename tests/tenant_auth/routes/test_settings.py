from __future__ import annotations

from bunbase.contracts.caller import Role
from bunbase.tenant_auth.routes import ROUTES
from bunbase.tenant_auth.service import TenantAuthService
from tests.bunauth.web import client_of
from tests.rooms import member_caller
from tests.tenant_auth.people import BAKERY

AUTH = f"/api/projects/{BAKERY}/auth"


async def test_the_etag_of_the_settings_is_what_if_match_takes(tenant_auth: TenantAuthService) -> None:
    async with client_of(ROUTES, tenant_auth=tenant_auth, member=member_caller(BAKERY, Role.ADMIN)) as http:
        read = await http.get(AUTH)
        changed = await http.patch(AUTH, json={"app_name": "Bakery"}, headers={"if-match": read.headers["etag"]})
        stale = await http.patch(AUTH, json={"app_name": "Mine"}, headers={"if-match": read.headers["etag"]})
        again = await http.get(AUTH)

    assert (read.headers["etag"], changed.headers["etag"]) == ('"0"', '"1"')
    assert (stale.status_code, stale.json()["code"]) == (412, "stale_settings")
    assert (again.headers["etag"], again.json()) == (changed.headers["etag"], changed.json())
