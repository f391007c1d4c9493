from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pyotp
import pytest
import pytest_asyncio

from bunbase.bunauth.module import MODULE
from bunbase.bunauth.service_clients import ServiceClients
from bunbase.bunauth.settings import BunAuthSettings
from bunbase.contracts.bunauth.accounts import NewAccount, Proof, SignupState
from bunbase.contracts.bunauth.administration import AccountNotFound, AccountRole, AccountSuspended
from bunbase.contracts.bunauth.factors import SecondFactor
from bunbase.contracts.bunauth.openid import AuthorizationExpired, ClientMistaken, OAuthRefused
from bunbase.contracts.bunauth.page_sign_in import ActPage, PageName, PageReturn, PageWays
from bunbase.contracts.bunauth.problems import (
    ChallengeExpired,
    DeviceNotFound,
    EmailTaken,
    ExternalLoginExpired,
    InvalidCredentials,
    InvalidToken,
    PasskeyNotFound,
    ProviderNotFound,
    SecondFactorRequired,
    ServiceExchangeOff,
    SetupTokenRequired,
    TokenNotFound,
    TotpNotFound,
    WrongCode,
    WrongPasskey,
)
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.revocations import RevokedKind
from bunbase.house.callers import CALLERS
from bunbase.pkg.errors import CannotStart, Forbidden, InvalidInput
from bunbase.pkg.modules import Rooms
from bunbase.pkg.rpc.admission import admission
from bunbase.pkg.rpc.tokens import Passport
from tests.bunauth.factors import with_passkey
from tests.bunauth.feeds import feed_of
from tests.bunauth.openid import Visitor, credentials, exchanged, new_client
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.bunauth.shared_keys import sign_with_shared_keys
from tests.fakes import FakeKms
from tests.rooms import ANYONE, SECRET, TOKENS, opened, site

BILLING, SEARCH = "the secret of the billing program", "the secret of the search program"


@pytest_asyncio.fixture(params=["local", "remote"])
async def bunauth(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BunAuth]:
    sign_with_shared_keys(monkeypatch)
    async with opened(MODULE, Rooms({Kms: FakeKms()}), site(tmp_path, database_url), request.param) as service:
        yield service


async def test_an_account_registers_logs_in_refreshes_and_logs_out(bunauth: BunAuth) -> None:
    first = await registered(bunauth)
    second = await bunauth.login(ANYONE, "ada@example.com", PASSWORD)
    third = await bunauth.refresh(ANYONE, second.refresh_token)
    caller = await caller_with(bunauth, third.access_token)
    assert await bunauth.me(caller) == first.user

    await bunauth.logout(caller)

    assert not (await bunauth.verify(third.access_token)).valid
    assert (await bunauth.verify(first.access_token)).valid


async def test_activity_is_listed_and_copied_into_the_audit_log(bunauth: BunAuth) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    await bunauth.logout(msgspec.structs.replace(caller, rpc=True))

    found = await bunauth.unaudited_activity()
    await bunauth.activity_audited(tuple(one.entry.id for one in found))

    assert tuple(one.entry for one in reversed(found)) == (await bunauth.activity(caller, 20, None)).items
    assert await bunauth.unaudited_activity() == ()


async def test_accounts_are_found_by_their_ids(bunauth: BunAuth) -> None:
    ada = (await registered(bunauth)).user

    assert await bunauth.accounts((ada.id, "usr_deleted")) == (ada,)
    assert await bunauth.accounts(()) == ()
    with pytest.raises(InvalidInput):
        await bunauth.accounts(tuple(f"usr_{number}" for number in range(501)))


async def test_a_page_without_services_has_no_other_ways_in_and_takes_no_unknown_pass(bunauth: BunAuth) -> None:
    to = ActPage(PageName.DEVICE, "BBBB-BBBB")

    assert await bunauth.page_ways(to, "bpp_unknown") == PageWays()
    with pytest.raises(ProviderNotFound):
        await bunauth.start_page_sign_in("github", to, "")
    with pytest.raises(ExternalLoginExpired):
        await bunauth.finish_page_sign_in(ANYONE, PageReturn("unsealed", "bbs_unknown", "bxc_unknown"))
    with pytest.raises(ChallengeExpired):
        await bunauth.page_second_factor(ANYONE, to, "bsc_unknown", "123456")
    with pytest.raises(WrongPasskey):
        await bunauth.page_passkey(ANYONE, to, "", {})
    with pytest.raises(ChallengeExpired):
        await bunauth.identify_by_pass(ANYONE, to, "bpp_unknown")
    with pytest.raises(DeviceNotFound):
        await bunauth.decide_device_login_by_pass(ANYONE, "BBBB-BBBB", "bpp_unknown", approve=True)
    with pytest.raises(AuthorizationExpired):
        await bunauth.oauth_continue(ANYONE, "orq_unknown", "ops_unknown", "bpp_unknown")


async def test_problems_of_bunauth_keep_their_class_over_http(bunauth: BunAuth) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)

    with pytest.raises(EmailTaken):
        await registered(bunauth)
    with pytest.raises(InvalidCredentials):
        await bunauth.login(ANYONE, "ada@example.com", "wrong horse battery")
    with pytest.raises(InvalidToken):
        await bunauth.refresh(ANYONE, "brt_unknown")
    with pytest.raises(TokenNotFound):
        await bunauth.delete_token(caller, "tok_unknown")
    with pytest.raises(InvalidInput) as refused:
        await bunauth.register(ANYONE, NewAccount("bob@example.com", "short"))
    assert refused.value.extra["errors"][0]["path"] == "/password"


async def test_a_second_factor_is_turned_on_asked_for_and_removed_by_an_administrator(bunauth: BunAuth) -> None:
    signed_in = await registered(bunauth)
    caller = await caller_with(bunauth, signed_in.access_token)
    phone = pyotp.TOTP((await bunauth.start_totp(caller)).secret)
    codes = (await bunauth.confirm_totp(caller, phone.now())).recovery_codes
    new_codes = (await bunauth.new_recovery_codes(caller)).recovery_codes
    with pytest.raises(SecondFactorRequired) as asked:
        await bunauth.login(ANYONE, "ada@example.com", PASSWORD)
    challenge = asked.value.extra["challenge"]
    with pytest.raises(SecondFactorRequired) as asked_on_a_page:
        await bunauth.identify_by_password(ANYONE, "ada@example.com", PASSWORD)
    of_a_page, open_sessions = asked_on_a_page.value.extra["challenge"], await bunauth.sessions(caller, 20, None)
    assert await bunauth.identify_by_code(ANYONE, of_a_page, new_codes[2]) == signed_in.user
    assert await bunauth.sessions(caller, 20, None) == open_sessions

    with pytest.raises(WrongCode):
        await bunauth.login_with_second_factor(ANYONE, challenge, SecondFactor(codes[0]))
    assert (await bunauth.login_with_second_factor(ANYONE, challenge, SecondFactor(new_codes[0]))).user.email
    with pytest.raises(ChallengeExpired):
        await bunauth.login_with_second_factor(ANYONE, challenge, SecondFactor(new_codes[1]))
    assert (await bunauth.totp_state(caller)).recovery_codes_left == 8
    await bunauth.remove_factors(caller, signed_in.user.id)

    with pytest.raises(AccountNotFound):
        await bunauth.remove_factors(caller, "usr_unknown")
    with pytest.raises(TotpNotFound):
        await bunauth.remove_totp(caller)


async def test_a_passkey_is_registered_renamed_proves_signs_in_and_is_deleted(bunauth: BunAuth) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    authenticator, id = await with_passkey(bunauth, caller)
    options = (await bunauth.passkey_login_options(None)).public_key

    assert (await bunauth.login_with_passkey(ANYONE, authenticator.get(options))).user.email == "ada@example.com"
    proof = authenticator.get((await bunauth.proof_options(caller)).public_key)
    await bunauth.reauthenticate(caller, Proof(passkey=proof))
    await bunauth.rename_passkey(caller, id, "phone")

    assert [one.name for one in (await bunauth.passkeys(caller)).items] == ["phone"]
    await bunauth.delete_passkey(caller, id)
    with pytest.raises(PasskeyNotFound):
        await bunauth.delete_passkey(caller, id)
    with pytest.raises(WrongPasskey):
        await bunauth.login_with_passkey(ANYONE, authenticator.get(options))


async def test_personal_tokens_are_made_listed_and_deleted(bunauth: BunAuth) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)

    made = await bunauth.create_token(caller, "ci", ("read",), None)

    assert made.token is not None
    assert (await bunauth.verify(made.token)).claims["scopes"] == ["read"]
    assert [token.id for token in (await bunauth.tokens(caller)).items] == [made.id]
    await bunauth.delete_token(caller, made.id)
    assert (await bunauth.tokens(caller)).items == ()


async def test_keys_discovery_and_signup_state_are_public(bunauth: BunAuth) -> None:
    assert [key["alg"] for key in (await bunauth.jwks()).keys] == ["RS256"]
    assert (await bunauth.discovery()).jwks_uri.endswith("/.well-known/jwks.json")
    assert await bunauth.signup_state() == SignupState("open", setup_complete=False)


async def test_service_exchange_is_off_by_default(bunauth: BunAuth) -> None:
    with pytest.raises(ServiceExchangeOff):
        await bunauth.exchange("billing", BILLING)
    with pytest.raises(ServiceExchangeOff):
        await bunauth.exchange("billing", SECRET)


@pytest.mark.parametrize("topology", ["local", "remote"])
async def test_a_configured_client_gets_a_token_that_may_only_verify(
    topology: str, tmp_path: Path, database_url: str
) -> None:
    """The service secret and the secrets of other clients are refused, and the token calls no room."""
    settings = BunAuthSettings(service_exchange=True, service_client_secrets={"billing": BILLING, "search": SEARCH})
    where = site(tmp_path, database_url)
    async with opened(MODULE, Rooms({Kms: FakeKms()}), where, topology, settings) as bunauth:
        bought = await bunauth.exchange("billing", BILLING)
        for name, secret in (("billing", SEARCH), ("billing", SECRET), ("nobody", BILLING), ("nobody", ""), ("", "")):
            with pytest.raises(InvalidCredentials):
                await bunauth.exchange(name, secret)

    passport, admit = TOKENS.check(bought.access_token), admission(CALLERS, {})
    assert passport == Passport("bunauth", "bunauth", "billing")
    admit(passport, "bunauth.verify", {})
    for method in ("bunauth.register", "bunauth.exchange", "bunkms.unseal", "bunkms.create_keys", "bundoc.get"):
        with pytest.raises(Forbidden):
            admit(passport, method, {"owner": "instance", "context": "bunauth:signing-key"})


@pytest.mark.parametrize(
    ("secrets", "why"),
    [
        ({}, "set both or neither"),
        ({"billing": "x"}, r"service_client_secrets\.billing has 1 bytes"),
        ({"": BILLING}, "1 to 64 characters"),
    ],
)
def test_a_start_with_clients_without_a_strong_secret_fails(secrets: dict[str, str], why: str) -> None:
    with pytest.raises(CannotStart, match=why):
        ServiceClients(BunAuthSettings(service_exchange=True, service_client_secrets=secrets))


async def test_the_feed_of_revocations_contains_an_ended_session(bunauth: BunAuth) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    assert caller.developer is not None
    async with feed_of(bunauth) as feed:
        assert (await feed.next()).kind is RevokedKind.READY

        await bunauth.logout(caller)

        news = await feed.next()
    assert (news.kind, news.id) == (RevokedKind.SESSION, caller.developer.session)


async def test_an_ip_address_is_known_if_the_account_signed_in_there_before(bunauth: BunAuth) -> None:
    """The limits on sign-ins allow accounts from known addresses."""
    await registered(bunauth)
    at_home = Caller(CallerKind.ANONYMOUS, ip="2001:db8:1:2::3")
    await bunauth.login(at_home, "ada@example.com", PASSWORD)

    for email in ("ada@example.com", " ADA@example.com"):
        assert await bunauth.knows_address(email, "127.0.0.1")
        assert await bunauth.knows_address(email, "2001:db8:1:2:ffff::1")
        for ip in ("2001:db8:1:3::3", "127.0.0.2", "", "nonsense"):
            assert not await bunauth.knows_address(email, ip)
    assert not await bunauth.knows_address("bob@example.com", "127.0.0.1")
    assert not await bunauth.knows_address("no address", "127.0.0.1")


async def test_the_mailbox_of_dev_mode_is_empty_at_first(bunauth: BunAuth) -> None:
    assert await bunauth.dev_mails("", "", 20, "") == ()


async def test_a_wrong_setup_token_is_refused_over_http_too(bunauth: BunAuth) -> None:
    elsewhere = Caller(CallerKind.ANONYMOUS, ip="203.0.113.9")

    with pytest.raises(SetupTokenRequired):
        await registered(bunauth, by=elsewhere, setup_token="a guess")


async def test_an_administrator_lists_suspends_and_resumes_accounts(bunauth: BunAuth) -> None:
    root = await caller_with(bunauth, (await registered(bunauth)).access_token)
    bob = (await registered(bunauth, "bob@example.com")).user.id

    suspended = await bunauth.suspend_account(root, bob)
    with pytest.raises(AccountSuspended):
        await bunauth.login(ANYONE, "bob@example.com", PASSWORD)
    await bunauth.resume_account(root, bob)
    promoted = await bunauth.set_account_role(root, bob, AccountRole.ADMIN)

    assert suspended.suspended_at is not None
    assert (promoted.role, promoted.suspended_at) == (AccountRole.ADMIN, None)
    assert (await bunauth.managed_accounts(root, "bob", 20, None)).items == (await bunauth.managed_account(root, bob),)
    with pytest.raises(AccountNotFound):
        await bunauth.managed_account(root, "usr_unknown")


async def test_a_client_signs_a_person_in_over_http_too(bunauth: BunAuth) -> None:
    admin = await caller_with(bunauth, (await registered(bunauth)).access_token)
    shop, visitor = await new_client(bunauth, admin), Visitor(bunauth, "ada@example.com")

    nobody = await bunauth.page_session("ops_unknown")
    tokens = await exchanged(bunauth, shop, await visitor.code(shop))
    about = await bunauth.oauth_userinfo(tokens.access_token)
    found = await bunauth.oauth_introspect(credentials(shop), tokens.access_token)
    (allowed,) = (await bunauth.authorizations(admin)).items
    await bunauth.oauth_revoke(ANYONE, credentials(shop), tokens.refresh_token)
    await bunauth.delete_authorization(admin, allowed.id)
    rotated = await bunauth.rotate_oauth_client(admin, shop.id)
    (listed,) = (await bunauth.oauth_clients(admin)).items
    await bunauth.delete_oauth_client(admin, shop.id)

    assert nobody is None
    assert (about.email, found.active, allowed.client_id) == ("ada@example.com", True, shop.id)
    assert (listed.rotated_at, listed.client_secret) == (rotated.rotated_at, None)
    with pytest.raises(ClientMistaken):
        await visitor.to(shop)
    with pytest.raises(OAuthRefused) as refused:
        await exchanged(bunauth, rotated, "oco_any")
    assert refused.value.extra["error"] == "invalid_client"
