from __future__ import annotations

import msgspec
import pytest

from bunbase.contracts.bunauth.problems import (
    LastSignInMethod,
    PasskeyNotFound,
    ReauthenticationRequired,
    WrongPasskey,
)
from bunbase.contracts.tenant_auth.problems import UserBanned
from bunbase.contracts.tenant_auth.transfers import ImportChoices
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.identity.factors import Proof, SecondFactor
from bunbase.pkg.ndjson import ImportLine
from bunbase.tenant_auth.service import TenantAuthService
from tests.authenticator import BACKED_UP, BACKUP_ELIGIBLE, Authenticator
from tests.rooms import secret_caller
from tests.tenant_auth.factors import (
    EVE,
    SITE,
    challenged,
    choose,
    stored_checks,
    user_of,
    with_passkey,
    with_totp,
)
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, signed_up

SERVER = secret_caller(BAKERY)


async def test_a_passkey_of_the_app_signs_in_without_an_email_as_two_factors(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await choose(tenant_auth, app_name="Bakery", **SITE)
    eve = await user_of(tenant_auth, await signed_up(tenant_auth), clock)
    asked = (await tenant_auth.passkey_options(eve)).public_key
    authenticator, id = await with_passkey(tenant_auth, eve)
    options = (await tenant_auth.passkey_login_options(AT_BAKERY, None)).public_key
    credential = authenticator.get(options)

    with pytest.raises(WrongPasskey):  # Neither the challenge nor the passkey belongs to this project.
        await tenant_auth.login_with_passkey(AT_LIBRARY, credential)
    opened = await tenant_auth.login_with_passkey(AT_BAKERY, credential)
    with pytest.raises(WrongPasskey):
        await tenant_auth.login_with_passkey(AT_BAKERY, credential)

    assert (asked["rp"], options["rpId"]) == ({"id": "bakery.example", "name": "Bakery"}, "bakery.example")
    assert (opened.user.email, opened.aal, opened.amr) == (EVE, 2, ("pop", "user", "mfa"))
    assert await stored_checks(tenant_auth, opened.access_token, clock) == (2, ["pop", "user", "mfa"])
    (listed,) = (await tenant_auth.passkeys(eve)).items
    assert (listed.id, listed.name, listed.last_used_at) == (id, "laptop", clock.now())
    await tenant_auth.update_user(SERVER, eve.end_user().uid, UserChanges(banned=True))
    options = (await tenant_auth.passkey_login_options(AT_BAKERY, None)).public_key
    with pytest.raises(UserBanned):
        await tenant_auth.login_with_passkey(AT_BAKERY, authenticator.get(options))


async def test_the_list_shows_whether_a_passkey_is_synced_by_now_and_other_sessions_stay(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await choose(tenant_auth, app_name="Bakery", **SITE)
    eve = await user_of(tenant_auth, await signed_up(tenant_auth), clock)
    authenticator, _ = await with_passkey(tenant_auth, eve, flags=BACKUP_ELIGIBLE)
    authenticator.flags = BACKUP_ELIGIBLE | BACKED_UP

    for _ in range(2):
        options = (await tenant_auth.passkey_login_options(AT_BAKERY, None)).public_key
        await tenant_auth.login_with_passkey(AT_BAKERY, authenticator.get(options))

    (listed,) = (await tenant_auth.passkeys(eve)).items
    assert listed.synced
    assert len((await tenant_auth.own_sessions(eve, 10, None)).items) == 3


async def test_an_answer_with_another_backup_eligibility_is_refused_and_a_passkey_from_before_gets_one(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await choose(tenant_auth, app_name="Bakery", **SITE)
    eve = await user_of(tenant_auth, await signed_up(tenant_auth), clock)
    authenticator, _ = await with_passkey(tenant_auth, eve)
    db = tenant_auth.stores.db

    async def signs_in() -> None:
        options = (await tenant_auth.passkey_login_options(AT_BAKERY, None)).public_key
        await tenant_auth.login_with_passkey(AT_BAKERY, authenticator.get(options))

    authenticator.flags = BACKUP_ELIGIBLE
    with pytest.raises(WrongPasskey):
        await signs_in()
    await db.execute("UPDATE passkeys SET backup_eligible = NULL")
    await signs_in()

    assert await db.value("SELECT backup_eligible FROM passkeys") is True


async def test_a_passkey_of_another_site_is_refused(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    await choose(tenant_auth, **SITE)
    eve = await user_of(tenant_auth, await signed_up(tenant_auth), clock)
    await with_passkey(tenant_auth, eve)
    phisher = Authenticator("https://bakery.example.phisher.example")

    made = phisher.create((await tenant_auth.passkey_options(eve)).public_key)

    with pytest.raises(WrongPasskey):
        await tenant_auth.register_passkey(eve, made, "phisher")


async def test_a_passkey_is_a_second_factor_and_a_proof(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    await choose(tenant_auth, **SITE)
    eve = await user_of(tenant_auth, await signed_up(tenant_auth), clock)
    await with_totp(tenant_auth, eve, clock)
    authenticator, _ = await with_passkey(tenant_auth, eve)
    challenge = await challenged(tenant_auth)
    asked = authenticator.get((await tenant_auth.passkey_login_options(AT_BAKERY, challenge)).public_key)

    opened = await tenant_auth.login_with_second_factor(AT_BAKERY, challenge, SecondFactor(passkey=asked))
    clock.advance(600)
    with pytest.raises(ReauthenticationRequired):
        await tenant_auth.passkey_options(eve)
    proof = Proof(passkey=authenticator.get((await tenant_auth.proof_options(eve)).public_key))
    proved = await tenant_auth.reauthenticate(eve, proof)

    assert opened.amr == ("pwd", "pop", "user", "mfa")
    assert (proved.aal, set(proved.amr)) == (2, {"pwd", "otp", "mfa", "pop", "user"})
    assert await tenant_auth.passkey_options(eve)


async def test_a_user_with_the_longest_id_signs_in_with_a_passkey(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await choose(tenant_auth, **SITE)
    id = "u" * 128
    line = msgspec.json.encode({"id": id, "email": EVE})
    await tenant_auth.import_users(SERVER, ImportChoices(), (ImportLine(1, line),))
    signed_in = await tenant_auth.login_with_custom_token(
        AT_BAKERY, (await tenant_auth.custom_token(SERVER, id, {})).token
    )
    eve = await user_of(tenant_auth, signed_in, clock)
    authenticator, _ = await with_passkey(tenant_auth, eve)

    options = (await tenant_auth.passkey_login_options(AT_BAKERY, None)).public_key
    opened = await tenant_auth.login_with_passkey(AT_BAKERY, authenticator.get(options))
    proof = (await tenant_auth.proof_options(eve)).public_key
    await tenant_auth.reauthenticate(eve, Proof(passkey=authenticator.get(proof)))

    assert opened.user.id == id


async def test_the_last_way_in_cannot_be_deleted(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    await choose(tenant_auth, **SITE)
    made = await tenant_auth.create_user(SERVER, NewUser(EVE))
    custom = (await tenant_auth.custom_token(SERVER, made.id, {})).token
    eve = await user_of(tenant_auth, await tenant_auth.login_with_custom_token(AT_BAKERY, custom), clock)
    (_, first), (_, last) = await with_passkey(tenant_auth, eve), await with_passkey(tenant_auth, eve, "")

    await tenant_auth.rename_passkey(eve, last, " work laptop ")
    with pytest.raises(InvalidInput):
        await tenant_auth.rename_passkey(eve, last, "x" * 101)
    await tenant_auth.delete_passkey(eve, first)
    for id, problem in ((first, PasskeyNotFound), (last, LastSignInMethod)):
        with pytest.raises(problem):
            await tenant_auth.delete_passkey(eve, id)

    assert [one.name for one in (await tenant_auth.passkeys(eve)).items] == ["work laptop"]
