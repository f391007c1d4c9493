from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final

import msgspec
import pytest

from bunbase.contracts.bunauth.problems import InvalidToken
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.gateway.examples import EXAMPLES
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Unauthenticated
from bunbase.pkg.jwt import BadToken, UnknownKey, Verifier
from bunbase.tenant_auth.routes import ROUTES
from bunbase.tenant_auth.service import TenantAuthService
from tests.bunauth.web import client_of
from tests.rooms import secret_caller
from tests.shared_openapi import openapi_document
from tests.tenant_auth.people import (
    AT_BAKERY,
    AT_LIBRARY,
    BAKERY,
    LIBRARY,
    PASSWORD,
    as_user,
    claims_of,
    signed_up,
)
from tests.tenant_auth.tables import add_a_row_to_every_table, rows

MARKER: Final = "only-for-the-bakery"
# The first is a route of Platform, and the second returns public keys.
OTHERS: Final = ("/v1/auth/token", "/v1/auth/jwks.json")
OPERATIONS: Final = [
    (method.upper(), route)
    for route, methods in msgspec.json.decode(openapi_document())["paths"].items()
    for method in methods
    if route.startswith("/v1/auth/") and route not in OTHERS
]


async def test_the_same_email_in_two_projects_is_two_users(tenant_auth: TenantAuthService) -> None:
    baker = await signed_up(tenant_auth, AT_BAKERY)
    reader = await tenant_auth.signup(AT_LIBRARY, "eve@example.com", "another password", {})
    assert reader is not None

    assert baker.user.id != reader.user.id
    assert (await tenant_auth.login(AT_BAKERY, "eve@example.com", PASSWORD)).user == baker.user
    assert (await tenant_auth.login(AT_LIBRARY, "eve@example.com", "another password")).user == reader.user


async def test_an_access_token_is_refused_in_another_project(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    token = (await signed_up(tenant_auth, AT_BAKERY)).access_token
    await signed_up(tenant_auth, AT_LIBRARY)

    with pytest.raises(UnknownKey):
        await claims_of(tenant_auth, LIBRARY, token, lambda: clock.now().timestamp())
    home = Verifier((await tenant_auth.jwks(BAKERY)).keys, lambda: clock.now().timestamp())
    with pytest.raises(BadToken):  # The signing key is right, and the audience is wrong.
        home.claims(token, aud=LIBRARY)


async def test_a_refresh_token_is_refused_in_another_project(tenant_auth: TenantAuthService) -> None:
    token = (await signed_up(tenant_auth, AT_BAKERY)).refresh_token

    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_LIBRARY, token)

    assert await tenant_auth.refresh(AT_BAKERY, token)


async def test_a_user_cannot_read_change_or_sign_out_in_another_project(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    new = await signed_up(tenant_auth, AT_BAKERY, "eve@example.com", mine=True)
    at_home = await as_user(tenant_auth, AT_BAKERY, new.access_token, lambda: clock.now().timestamp())
    astray = msgspec.structs.replace(at_home, project=LIBRARY)
    assert at_home.user is not None

    with pytest.raises(Unauthenticated):
        await tenant_auth.me(astray)
    with pytest.raises(Unauthenticated):
        await tenant_auth.update_me(astray, {})
    await tenant_auth.logout(astray)

    assert not await tenant_auth.session_alive(LIBRARY, at_home.user.session, 0)
    assert await tenant_auth.session_alive(BAKERY, at_home.user.session, 0)
    assert (await tenant_auth.me(at_home)).data == {"mine": True}


async def test_dropping_a_project_deletes_its_rows_in_every_table_and_no_others(
    tenant_auth: TenantAuthService, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bunbase.pkg.db.database.DELETE_BATCH", 2)
    for number in range(3):
        await tenant_auth.create_user(secret_caller(BAKERY), NewUser(f"baker{number}@example.com"))
    for caller in (AT_BAKERY, AT_LIBRARY):
        user = await as_user(
            tenant_auth, caller, (await signed_up(tenant_auth, caller)).access_token, clock.now().timestamp
        )
        await add_a_row_to_every_table(tenant_auth, caller.project, user.end_user().uid, user.end_user().session)
    await tenant_auth.active_months.flush()  # Otherwise a job adds these rows during the test.
    of_library = await rows(tenant_auth, LIBRARY)
    assert all((await rows(tenant_auth, BAKERY)).values()), "the test needs a row in every table"

    await tenant_auth.drop_project(BAKERY)
    await tenant_auth.drop_project(BAKERY)

    assert {table for table, text in (await rows(tenant_auth, BAKERY)).items() if text} == set()
    assert await rows(tenant_auth, LIBRARY) == of_library


def sent(example: object, secrets: dict[str, str]) -> dict[str, Any]:
    """Return the body of a request. Every field that can name a user names a user of the other project."""
    match example:
        case None:
            return {}
        case str():  # This text has lines of an import.
            line = {"id": secrets["uid"], "email": secrets["email"]}
            return {"content": msgspec.json.encode(line), "headers": {"content-type": "application/x-ndjson"}}
        case dict():
            return {"json": {name: secrets.get(name, value) for name, value in example.items()}}
        case other:
            raise AssertionError(other)


async def test_no_route_shows_or_changes_a_user_to_callers_of_another_project(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    """The routes come from the OpenAPI document.

    The callers have a token of the other project, or its ids and secrets.
    """
    new = await signed_up(tenant_auth, AT_BAKERY, "eve@example.com", note=MARKER)
    eve = await as_user(tenant_auth, AT_BAKERY, new.access_token, clock.now().timestamp)
    user = eve.end_user()
    await add_a_row_to_every_table(tenant_auth, BAKERY, user.uid, user.session)
    custom = (await tenant_auth.custom_token(secret_caller(BAKERY), user.uid, {})).token
    await tenant_auth.active_months.flush()  # Otherwise a job adds these rows during the test.
    # Otherwise the job that answers requests for mails deletes the row during the test.
    later = clock.now() + timedelta(days=1)
    await tenant_auth.stores.db.execute("UPDATE mail_requests SET requested_at = $1", later)
    before = await rows(tenant_auth, BAKERY)
    astray = msgspec.structs.replace(eve, project=LIBRARY)
    callers = {"keyed": AT_LIBRARY, "client": astray, "operator": secret_caller(LIBRARY, user)}
    visitor = Caller(CallerKind.ANONYMOUS, project=LIBRARY)
    ids = {"user_id": user.uid, "session_id": user.session}
    secrets = {"refresh_token": new.refresh_token, "token": custom, "uid": user.uid, "email": "eve@example.com"}

    async with client_of(ROUTES, tenant_auth=tenant_auth, visitor=visitor, **callers) as http:
        for method, route in OPERATIONS:
            path = re.sub(r"\{(\w+)\}", lambda found: ids.get(found[1], f"x of {BAKERY}"), route)
            example = EXAMPLES.get((method, route))
            answer = await http.request(method, path, **sent(example, secrets))
            assert MARKER not in answer.text, (method, route)
            assert answer.status_code < 500, (method, route, answer.text)

    assert await rows(tenant_auth, BAKERY) == before
