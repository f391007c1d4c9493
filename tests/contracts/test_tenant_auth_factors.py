from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest
import pytest_asyncio

from bunbase.contracts.bunauth.problems import (
    ChallengeExpired,
    LastSignInMethod,
    PasskeyNotFound,
    SecondFactorRequired,
    WrongCode,
    WrongPasskey,
    WrongProof,
)
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.tenant_auth.problems import MfaEnrolmentRequired
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.pkg.identity.factors import Proof, SecondFactor
from bunbase.pkg.modules import Rooms
from bunbase.tenant_auth.module import MODULE
from tests.fakes import FakeKms
from tests.rooms import opened, secret_caller, site
from tests.tenant_auth.factors import EVE, SITE, choose, with_passkey
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, as_user, signed_up


@pytest_asyncio.fixture(params=["local", "remote"])
async def tenant_auth(request: pytest.FixtureRequest, tmp_path: Path, database_url: str) -> AsyncIterator[TenantAuth]:
    kms = FakeKms(lazy=False)
    await kms.create_keys(BAKERY)
    async with opened(MODULE, Rooms({Kms: kms}), site(tmp_path, database_url), request.param) as service:
        yield service


async def test_second_factors_and_passkeys_of_users(tenant_auth: TenantAuth) -> None:
    await choose(tenant_auth, **SITE)
    eve = await as_user(tenant_auth, AT_BAKERY, (await signed_up(tenant_auth)).access_token, time.time)
    phone = pyotp.TOTP((await tenant_auth.start_totp(eve)).secret)
    codes = (await tenant_auth.confirm_totp(eve, phone.now())).recovery_codes
    with pytest.raises(SecondFactorRequired) as asked:
        await tenant_auth.login(AT_BAKERY, EVE, PASSWORD)
    challenge = asked.value.extra["challenge"]
    with pytest.raises(WrongCode):
        await tenant_auth.login_with_second_factor(AT_BAKERY, challenge, SecondFactor("no code"))
    opened = await tenant_auth.login_with_second_factor(AT_BAKERY, challenge, SecondFactor(codes[0]))
    eve = await as_user(tenant_auth, AT_BAKERY, opened.access_token, time.time)
    assert (opened.aal, (await tenant_auth.totp_state(eve)).recovery_codes_left) == (2, 9)
    assert len((await tenant_auth.new_recovery_codes(eve)).recovery_codes) == 10

    with pytest.raises(WrongProof):
        await tenant_auth.reauthenticate(eve, Proof("wrong horse battery"))
    authenticator, id = await with_passkey(tenant_auth, eve)
    proof = authenticator.get((await tenant_auth.proof_options(eve)).public_key)
    assert (await tenant_auth.reauthenticate(eve, Proof(passkey=proof))).aal == 2
    options = (await tenant_auth.passkey_login_options(AT_BAKERY, None)).public_key
    assert (await tenant_auth.login_with_passkey(AT_BAKERY, authenticator.get(options))).user.email == EVE
    with pytest.raises(WrongPasskey):
        await tenant_auth.login_with_passkey(AT_BAKERY, {})
    await tenant_auth.rename_passkey(eve, id, "phone")
    assert [one.name for one in (await tenant_auth.passkeys(eve)).items] == ["phone"]
    await tenant_auth.delete_passkey(eve, id)
    with pytest.raises(PasskeyNotFound):
        await tenant_auth.delete_passkey(eve, id)
    await tenant_auth.remove_totp(eve)

    await choose(tenant_auth, second_factor="required")
    with pytest.raises(MfaEnrolmentRequired) as needed:
        await tenant_auth.login(AT_BAKERY, EVE, PASSWORD)
    challenge = needed.value.extra["challenge"]
    phone = pyotp.TOTP((await tenant_auth.start_enrolment(AT_BAKERY, challenge)).secret)
    assert (await tenant_auth.confirm_enrolment(AT_BAKERY, challenge, phone.now())).aal == 2
    with pytest.raises(ChallengeExpired):
        await tenant_auth.start_enrolment(AT_BAKERY, challenge)

    server = secret_caller(BAKERY)
    bob = (await tenant_auth.create_user(server, NewUser("bob@example.com"))).id
    token = (await tenant_auth.custom_token(server, bob, {})).token
    by_server = (await tenant_auth.login_with_custom_token(AT_BAKERY, token)).access_token
    as_bob = await as_user(tenant_auth, AT_BAKERY, by_server, time.time)
    _, last = await with_passkey(tenant_auth, as_bob)
    with pytest.raises(LastSignInMethod):
        await tenant_auth.delete_passkey(as_bob, last)
    await tenant_auth.reset_user_factors(server, bob)
    assert (await tenant_auth.passkeys(as_bob)).items == ()
