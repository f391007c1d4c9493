"""The last sign-in method of a user cannot be removed. The test removes each kind of
sign-in method from users who have one further method."""

from __future__ import annotations

from itertools import product
from typing import Any

from bunbase.contracts.caller import Caller
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.identity.problems import LastSignInMethod
from bunbase.pkg.identity.store.identities import NewIdentity
from bunbase.tenant_auth.service import TenantAuthService
from tests.tenant_auth.factors import SITE, with_passkey
from tests.tenant_auth.people import BAKERY, without_password
from tests.tenant_auth.phones import phones_on

SECRET = {"client_id": "bakery", "client_secret": "x"}
ON, OFF = {"kind": "google", **SECRET}, {"kind": "github", "enabled": False, **SECRET}
REMOVALS = ("passkey", "identity", "phone")
STAYS = ("password", "verified address", "passkey", "identity", "phone")
IS_NONE = ("", "unverified phone", "identity at a service that is off")  # Nobody can sign in by these ways.


async def test_a_way_to_sign_in_can_be_removed_only_if_another_one_stays(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    more: dict[str, Any] = {**SITE, "providers": {"google": ON, "github": OFF}}
    await phones_on(tenant_auth, **more)
    wrong = []
    for number, (removed, other) in enumerate(product(REMOVALS, STAYS + IS_NONE)):
        eve = await without_password(tenant_auth, f"eve{number}@example.com", clock)
        await add(tenant_auth, eve, other, number)
        if other != removed:
            await add(tenant_auth, eve, removed, 100 + number)
        if (await is_removed(tenant_auth, eve, removed)) is not (other in STAYS and other != removed):
            wrong.append((removed, other))

    assert wrong == []


async def add(room: TenantAuthService, user: Caller, way: str, number: int) -> None:
    db, uid = room.stores.db, user.end_user().uid
    match way:
        case "password":
            await db.execute("UPDATE users SET password_hash = 'x' WHERE id = $1", uid)
        case "verified address":
            await db.execute("UPDATE users SET email_verified = true WHERE id = $1", uid)
        case "phone" | "unverified phone":
            sql = "UPDATE users SET phone = $1, phone_verified = $2 WHERE id = $3"
            await db.execute(sql, f"+49{1_700_000_000 + number}", way == "phone", uid)
        case "passkey":
            await with_passkey(room, user)
        case "identity" | "identity at a service that is off":
            provider = "google" if way == "identity" else "github"
            stores = (await room.pools.of(BAKERY)).stores
            await stores.identities.add(
                uid, NewIdentity(f"idn_{number}", provider, str(number), None), room.pools.site.clock.now(), 20
            )


async def is_removed(room: TenantAuthService, user: Caller, way: str) -> bool:
    try:
        match way:
            case "passkey":
                await room.delete_passkey(user, (await room.passkeys(user)).items[0].id)
            case "identity":
                mine = (await room.user_identities(user)).items
                await room.delete_user_identity(user, next(one.id for one in mine if one.provider == "google"))
            case "phone":
                await room.remove_phone(user)
    except LastSignInMethod:
        return False
    return True
