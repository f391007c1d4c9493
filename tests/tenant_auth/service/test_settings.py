from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from bunbase.contracts.caller import Role
from bunbase.contracts.tenant_auth.problems import StaleSettings
from bunbase.contracts.tenant_auth.settings import ProjectAuth, ShownAuth
from bunbase.pkg.errors import Forbidden, InvalidInput
from bunbase.tenant_auth.service import TenantAuthService
from tests.rooms import member_caller, publishable_caller, secret_caller
from tests.tenant_auth.people import BAKERY, LIBRARY

ADA, VISITOR = member_caller(BAKERY, Role.ADMIN), publishable_caller(BAKERY)
GOOGLE = {"kind": "google", "client_id": "bakery", "client_secret": "only-google-knows"}


async def change(room: TenantAuthService, **patch: Any) -> ShownAuth:
    return await room.change_project_auth(ADA, patch, None)


CAPTCHA = {"provider": "hcaptcha", "site_key": "1x", "secret": "no-bot"}


async def test_a_project_without_settings_has_the_defaults(tenant_auth: TenantAuthService) -> None:
    found = await tenant_auth.project_auth(ADA)

    assert found == ShownAuth(secrets=(), version=0)
    assert {name: getattr(found, name) for name in ProjectAuth.__struct_fields__} == msgspec.structs.asdict(
        ProjectAuth()
    )


async def test_a_merge_patch_changes_what_it_names_and_null_restores_the_default(
    tenant_auth: TenantAuthService,
) -> None:
    await change(tenant_auth, app_name="Bakery", tokens={"access_ttl_seconds": 120})
    await change(tenant_auth, tokens={"refresh_ttl_seconds": 7200}, redirect_urls=["https://bakery.example/"])
    found = await change(tenant_auth, app_name=None)

    assert (found.app_name, found.version, found.redirect_urls) == ("", 3, ("https://bakery.example/",))
    assert (found.tokens.access_ttl_seconds, found.tokens.refresh_ttl_seconds) == (120, 7200)
    assert await tenant_auth.project_auth(ADA) == found
    assert (await tenant_auth.project_auth(member_caller(LIBRARY))).version == 0


async def test_a_secret_is_stored_sealed_and_never_answered(tenant_auth: TenantAuthService) -> None:
    made = await change(tenant_auth, providers={"google": GOOGLE}, captcha=CAPTCHA)
    stored = await tenant_auth.stores.db.value("SELECT auth_settings::text FROM auth_settings")
    pool = await tenant_auth.pools.of(BAKERY)
    kept = await change(tenant_auth, providers={"google": {"client_id": "bakery-2"}})
    cleared = await change(tenant_auth, providers={"google": None}, captcha=None)

    for text in (repr(made), repr(kept), repr(cleared), stored):
        assert "only-google-knows" not in text
        assert "no-bot" not in text
    assert (
        await pool.vault.unsealed("settings:providers.google", pool.sealed["providers.google"]) == "only-google-knows"
    )
    assert made.secrets == kept.secrets == ("captcha", "providers.google")
    assert (cleared.secrets, cleared.providers) == ((), {})


async def test_the_same_patch_again_changes_nothing(tenant_auth: TenantAuthService) -> None:
    patch = {"app_name": "Bakery", "providers": {"google": GOOGLE}}
    first = await change(tenant_auth, **patch)
    again = await change(tenant_auth, **patch)
    other = await change(tenant_auth, providers={"google": {"client_secret": "another"}})

    assert (first.version, again, other.version) == (1, first, 2)


@pytest.mark.parametrize(
    ("patch", "path", "words"),
    [
        ({"signup": "open"}, "/signup", "Did you mean signups"),
        ({"tokens": {"acces_ttl_seconds": 60}}, "/tokens/acces_ttl_seconds", "Did you mean access_ttl_seconds"),
        ({"providers": {"google": {"secret": "x"}}}, "/providers/google/secret", "no such setting"),
        ({"tokens": {"access_ttl_seconds": 5}}, "/tokens/access_ttl_seconds", "at least 60"),
        ({"signups": "sometimes"}, "/signups", "This must be one of: open, invite, closed."),
        ({"captcha": {"secret": 5}}, "/captcha/secret", "null removes it"),
        ({"redirect_urls": ["x"] * 101}, "/redirect_urls", "at most 100"),
    ],
)
async def test_a_patch_that_is_not_acceptable_names_the_field(
    tenant_auth: TenantAuthService, patch: dict[str, Any], path: str, words: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await tenant_auth.change_project_auth(ADA, patch, None)

    [error] = refused.value.extra["errors"]
    assert error["path"] == path
    assert words in error["message"]
    assert (await tenant_auth.project_auth(ADA)).version == 0


async def test_of_two_changes_of_one_version_only_one_is_made(tenant_auth: TenantAuthService) -> None:
    twice = [tenant_auth.change_project_auth(ADA, {"app_name": name}, 0) for name in ("one", "two")]
    answers = await asyncio.gather(*twice, return_exceptions=True)
    both = await asyncio.gather(change(tenant_auth, verify_emails=True), change(tenant_auth, signups="closed"))

    assert sorted(type(answer).__name__ for answer in answers) == ["ShownAuth", StaleSettings.__name__]
    assert {answer.version for answer in both} == {2, 3}
    found = await tenant_auth.project_auth(ADA)
    assert (found.verify_emails, found.signups) == (True, "closed")


async def test_fields_of_a_newer_version_are_kept(tenant_auth: TenantAuthService) -> None:
    await change(tenant_auth, app_name="Bakery")
    db = tenant_auth.stores.db
    await db.execute("""UPDATE auth_settings SET settings = '{"app_name": "Bakery", "of_tomorrow": {"x": 1}}'""")

    await change(tenant_auth, app_name="Baker")

    assert await db.value("SELECT settings FROM auth_settings") == {"app_name": "Baker", "of_tomorrow": {"x": 1}}


async def test_developers_read_and_only_admins_change_the_settings(tenant_auth: TenantAuthService) -> None:
    developer = member_caller(BAKERY, Role.DEVELOPER)
    assert await tenant_auth.project_auth(developer)

    for caller in (developer, member_caller(BAKERY, Role.VIEWER), VISITOR, secret_caller(BAKERY)):
        with pytest.raises(Forbidden):
            await tenant_auth.change_project_auth(caller, {"app_name": "x"}, None)
    for caller in (member_caller(BAKERY, Role.VIEWER), VISITOR, secret_caller(BAKERY)):
        with pytest.raises(Forbidden):
            await tenant_auth.project_auth(caller)
