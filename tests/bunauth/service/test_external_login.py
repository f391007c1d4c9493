from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

import bunbase.bunauth.module
from bunbase.bunauth.module import MODULE
from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.settings import BunAuthSettings, Signups
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.administration import AccountSuspended
from bunbase.contracts.bunauth.factors import SecondFactor
from bunbase.contracts.bunauth.identities import CodeExchange, ExternalAnswer, ExternalStart
from bunbase.contracts.bunauth.problems import (
    ExternalEmailNotVerified,
    ExternalLoginExpired,
    IdentityNotFound,
    IdentityTaken,
    InvalidCredentials,
    InvalidToken,
    LastSignInMethod,
    LinkExpired,
    ProviderNotFound,
    ProviderUnavailable,
    ReauthenticationRequired,
    SecondFactorRequired,
    SetupTokenRequired,
    SignupsClosed,
    WrongPasskey,
)
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.identity.redirects import checked_redirect
from bunbase.pkg.modules import Rooms, Site
from bunbase.pkg.oidc.person import Person, ProviderFailed, ProviderRefused, challenge_of
from bunbase.pkg.oidc.settings import ProviderSettings
from tests.bunauth.external import NAME, REDIRECT, VERIFIER, FakeProvider, code_of, parameters, signed_in, started
from tests.bunauth.factors import with_passkey, with_totp
from tests.bunauth.mailbox import kinds, link
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.rooms import ANYONE, opened

EVE = "eve@example.com"
PROVIDERS = {NAME: ProviderSettings("bunbase", "secret", issuer="https://idp.example", title="Example")}


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    fake = FakeProvider()
    monkeypatch.setattr(bunbase.bunauth.module, "open_provider", lambda *_: fake)
    return fake


@pytest_asyncio.fixture
async def bunauth(rooms: Rooms, here: Site, provider: FakeProvider) -> AsyncIterator[BunAuthService]:
    async with opened(MODULE, rooms, here, settings=BunAuthSettings(providers=PROVIDERS)) as service:
        yield service


@pytest_asyncio.fixture
async def ada(bunauth: BunAuthService) -> SignedIn:
    """Return the first account. The address of this account is not verified."""
    return await registered(bunauth)


async def verify_address(bunauth: BunAuthService, email: str = "ada@example.com") -> None:
    await bunauth.verify_email(ANYONE, await link(bunauth, email, "verify-email"))


async def test_a_person_with_a_verified_address_gets_an_account_and_signs_in_to_it_again(
    bunauth: BunAuthService, provider: FakeProvider, ada: SignedIn
) -> None:
    provider.person_there = Person("sub-eve", EVE, True, "Eve")

    first = await signed_in(bunauth)
    provider.person_there = Person("sub-eve", "moved@example.com", False)  # the subject counts, not the address
    again = await signed_in(bunauth)

    assert (first.user.email, first.user.name, first.user.email_verified, first.user.role) == (EVE, "Eve", True, "user")
    assert again.user == first.user
    assert [one.name for one in (await bunauth.login_providers()).items] == [NAME]
    (identity,) = (await bunauth.identities(await caller_with(bunauth, again.access_token))).items
    assert (identity.provider, identity.email) == (NAME, "moved@example.com")
    with pytest.raises(InvalidCredentials):
        await bunauth.login(ANYONE, EVE, "")


async def test_a_new_person_who_signs_in_twice_at_once_gets_one_account(
    bunauth: BunAuthService, provider: FakeProvider, ada: SignedIn
) -> None:
    provider.person_there = Person("sub-eve", EVE, True, "Eve")
    codes = [await code_of(bunauth) for _ in range(3)]

    signed_in = await asyncio.gather(
        *(bunauth.exchange_code(ANYONE, CodeExchange(code, VERIFIER, "")) for code in codes)
    )

    assert len({one.user.id for one in signed_in}) == 1
    assert signed_in[0].user.email == EVE


async def test_an_account_is_joined_by_its_address_if_both_sides_have_verified_it(
    bunauth: BunAuthService, ada: SignedIn
) -> None:
    await verify_address(bunauth)

    joined = await signed_in(bunauth)

    assert joined.user.id == ada.user.id
    assert (await bunauth.verify(ada.access_token)).valid
    assert (await bunauth.login(ANYONE, "ada@example.com", PASSWORD)).user.id == ada.user.id


async def test_the_owner_of_an_address_takes_over_an_account_that_somebody_else_has_prepared(
    bunauth: BunAuthService, provider: FakeProvider, ada: SignedIn
) -> None:
    """Pre-hijacking: the attacker has created the account and has its password, a session, a token and a link."""
    thief = await caller_with(bunauth, ada.access_token)
    token = await bunauth.create_token(thief, "thief", ("read",), None)
    provider.person_there = Person("sub-thief", "thief@example.com", True)
    await signed_in(bunauth, (await bunauth.create_link_ticket(thief, NAME)).ticket)
    ticket = (await bunauth.create_link_ticket(thief, NAME)).ticket
    await bunauth.request_email_change(thief, "thief@example.com")
    change = await link(bunauth, "thief@example.com", "change-email")

    provider.person_there = Person("sub-ada", "ada@example.com", True, "Ada")
    owner = await signed_in(bunauth)

    assert (owner.user.id, owner.user.email_verified) == (ada.user.id, True)
    assert token.token is not None
    for dead in (ada.access_token, token.token):
        assert not (await bunauth.verify(dead)).valid
    with pytest.raises(InvalidToken):
        await bunauth.refresh(ANYONE, ada.refresh_token)
    with pytest.raises(InvalidCredentials):
        await bunauth.login(ANYONE, "ada@example.com", PASSWORD)
    with pytest.raises(LinkExpired):
        await bunauth.confirm_email_change(ANYONE, change)
    with pytest.raises(ExternalLoginExpired):
        await signed_in(bunauth, ticket)
    provider.person_there = Person("sub-thief", "ada@example.com", False)
    with pytest.raises(ExternalEmailNotVerified):
        await signed_in(bunauth)


@pytest.mark.parametrize("person", [Person("x", "ada@example.com", False), Person("x", None, False)])
async def test_without_a_verified_address_a_person_gets_no_account(
    bunauth: BunAuthService, provider: FakeProvider, ada: SignedIn, person: Person
) -> None:
    provider.person_there = person

    with pytest.raises(ExternalEmailNotVerified):
        await signed_in(bunauth)

    assert (await bunauth.verify(ada.access_token)).valid


async def test_where_registration_is_closed_only_invited_people_get_an_account(
    rooms: Rooms, here: Site, provider: FakeProvider
) -> None:
    settings = BunAuthSettings(providers=PROVIDERS, signups=Signups.INVITE)
    async with opened(MODULE, rooms, here, settings=settings) as bunauth:
        with pytest.raises(SetupTokenRequired):  # the first account needs a password
            await signed_in(bunauth)
        admin = await caller_with(bunauth, (await registered(bunauth, "admin@example.com")).access_token)
        with pytest.raises(SignupsClosed):
            await signed_in(bunauth)
        invite = await bunauth.create_invite(admin, None, "admin")
        assert invite.url is not None

        invited = await signed_in(bunauth, invite=parameters(invite.url)["token"])

        assert (invited.user.role, invited.user.email) == ("admin", "ada@example.com")
        assert not (await bunauth.invites(admin, 10, None)).items


async def test_a_sign_in_by_another_service_is_one_factor_and_a_link_needs_no_second(
    bunauth: BunAuthService, clock: ManualClock, ada: SignedIn
) -> None:
    await verify_address(bunauth)
    caller = await caller_with(bunauth, ada.access_token)
    phone, _ = await with_totp(bunauth, caller, clock)

    linked = await signed_in(bunauth, (await bunauth.create_link_ticket(caller, NAME)).ticket)
    with pytest.raises(SecondFactorRequired) as asked:
        await signed_in(bunauth)
    answer = SecondFactor(phone.code())
    finished = await bunauth.login_with_second_factor(ANYONE, asked.value.extra["challenge"], answer)

    assert linked.user.id == finished.user.id == ada.user.id


async def test_a_takeover_removes_the_factors_of_whoever_prepared_the_account(
    bunauth: BunAuthService, clock: ManualClock, ada: SignedIn
) -> None:
    thief = await caller_with(bunauth, ada.access_token)
    await with_totp(bunauth, thief, clock)
    authenticator, _ = await with_passkey(bunauth, thief)

    owner = await caller_with(bunauth, (await signed_in(bunauth)).access_token)

    assert not (await bunauth.totp_state(owner)).enabled
    assert "account.reset_factors" in {one.action for one in (await bunauth.activity(owner, 20, None)).items}
    assert "factor_removed" in await kinds(bunauth, "ada@example.com")
    options = await bunauth.passkey_login_options(None)
    with pytest.raises(WrongPasskey):
        await bunauth.login_with_passkey(ANYONE, authenticator.get(options.public_key))


async def test_the_first_reset_of_an_unverified_account_removes_its_identities(
    bunauth: BunAuthService, provider: FakeProvider, ada: SignedIn
) -> None:
    thief = await caller_with(bunauth, ada.access_token)
    provider.person_there = Person("sub-thief", "thief@example.com", True)
    await signed_in(bunauth, (await bunauth.create_link_ticket(thief, NAME)).ticket)

    await bunauth.request_password_reset("ada@example.com")
    reset = await bunauth.reset_password(
        ANYONE, await link(bunauth, "ada@example.com", "reset-password"), "owner's own battery"
    )

    assert reset.removed == ("the sign-in by other services",)
    assert "identity_removed" in await kinds(bunauth, "ada@example.com")
    assert (await signed_in(bunauth)).user.id != ada.user.id


async def test_a_suspended_account_cannot_sign_in_by_another_service(
    bunauth: BunAuthService, provider: FakeProvider, ada: SignedIn
) -> None:
    provider.person_there = Person("sub-eve", EVE, True, "Eve")
    eve = await signed_in(bunauth)

    await bunauth.suspend_account(await caller_with(bunauth, ada.access_token), eve.user.id)

    with pytest.raises(AccountSuspended):
        await signed_in(bunauth)


async def test_a_passkey_is_a_way_to_sign_in_and_the_last_way_stays(
    bunauth: BunAuthService, provider: FakeProvider, ada: SignedIn
) -> None:
    provider.person_there = Person("sub-eve", EVE, True, "Eve")
    eve = await caller_with(bunauth, (await signed_in(bunauth)).access_token)
    _, passkey = await with_passkey(bunauth, eve)
    (identity,) = (await bunauth.identities(eve)).items

    await bunauth.delete_identity(eve, identity.id)
    with pytest.raises(LastSignInMethod):
        await bunauth.delete_passkey(eve, passkey)

    assert [one.id for one in (await bunauth.passkeys(eve)).items] == [passkey]


async def test_a_code_works_once_and_only_for_the_client_that_began(bunauth: BunAuthService, ada: SignedIn) -> None:
    code = await code_of(bunauth)
    outcomes = await asyncio.gather(
        *(bunauth.exchange_code(ANYONE, CodeExchange(code, VERIFIER)) for _ in range(4)), return_exceptions=True
    )
    stolen = await code_of(bunauth)
    with pytest.raises(ExternalLoginExpired):
        await bunauth.exchange_code(ANYONE, CodeExchange(stolen, "w" * 43))
    with pytest.raises(ExternalLoginExpired):  # The wrong verifier has used up the code.
        await bunauth.exchange_code(ANYONE, CodeExchange(stolen, VERIFIER))

    assert sum(isinstance(one, SignedIn) for one in outcomes) == 1
    assert sum(isinstance(one, ExternalLoginExpired) for one in outcomes) == 3


async def test_a_code_and_a_state_expire(bunauth: BunAuthService, clock: ManualClock, ada: SignedIn) -> None:
    code = await code_of(bunauth)
    clock.advance(60)
    with pytest.raises(ExternalLoginExpired):
        await bunauth.exchange_code(ANYONE, CodeExchange(code, VERIFIER))
    state, browser = await started(bunauth)
    clock.advance(600)
    with pytest.raises(ExternalLoginExpired):
        await bunauth.finish_external_login(NAME, ExternalAnswer(state, browser, "code"))


async def test_an_answer_counts_once_and_only_in_the_browser_that_began(bunauth: BunAuthService) -> None:
    """A stranger cannot sign somebody in to an account of the stranger (CSRF login)."""
    state, browser = await started(bunauth)
    _, another = await started(bunauth)

    for wrong in (ExternalAnswer(state, another, "code"), ExternalAnswer(state, "", "code")):
        back = await bunauth.finish_external_login(NAME, wrong)
        assert parameters(back.url) == {"error": "external_login_expired"}
    with pytest.raises(ExternalLoginExpired):
        await bunauth.finish_external_login(NAME, ExternalAnswer("bst_x", browser))
    good = ExternalAnswer(state, browser, "code")
    await bunauth.finish_external_login(NAME, good)
    with pytest.raises(ExternalLoginExpired):
        await bunauth.finish_external_login(NAME, good)


async def test_two_tabs_of_a_browser_sign_in_at_once_with_different_secrets(bunauth: BunAuthService) -> None:
    state, browser = await started(bunauth)
    second, same = await started(bunauth, browser=browser)
    _, fresh = await started(bunauth, browser="chosen by a stranger")

    assert same == browser
    assert fresh.startswith("bbs_")
    for one in (second, state):
        assert "code" in parameters(
            (await bunauth.finish_external_login(NAME, ExternalAnswer(one, browser, "code"))).url
        )


@pytest.mark.parametrize(
    ("fails", "error"),
    [
        (ProviderRefused("access_denied"), "access_denied"),
        (ProviderRefused("<script>"), "provider_error"),
        (ProviderFailed("a secret detail"), "provider_error"),
    ],
)
async def test_an_error_of_the_provider_reaches_the_client_as_one_of_two_words(
    bunauth: BunAuthService, provider: FakeProvider, fails: ProviderFailed | ProviderRefused, error: str
) -> None:
    provider.fails = fails
    state, browser = await started(bunauth)

    finished = await bunauth.finish_external_login(NAME, ExternalAnswer(state, browser, "code"))

    assert finished.url == f"{REDIRECT}?error={error}"


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://app.example.com/account", True),
        ("https://app.example.com", True),
        ("https://app.example.com:443/", False),
        ("http://app.example.com/", False),
        ("https://app.example.com.evil.example/", False),
        ("https://app.example.com@evil.example/", False),
        ("https://evil.example/", False),
        ("//evil.example/", False),
        ("/account", False),
        ("https://app.example.com\\@evil.example", False),
        ("https://app.example.com/\n", False),
        ("https://app.example.com/#fragment", False),
        ("javascript:alert(1)", False),
        ("http://127.0.0.1:4711/", True),
        ("http://[::1]:4711/", True),
        ("http://127.0.0.1/", False),
        ("http://localhost:4711/", False),
        ("https://127.0.0.1:4711/", False),
        ("http://127.0.0.1.evil.example:80/", False),
        ("http://10.0.0.1:80/", False),
        ("https://app.example.com/" + "x" * 500, False),
        ("https://app.example.com:x/", False),
        # A function of any project could serve these addresses, and would get the code.
        ("https://app.example.com/v1/functions/steal?project=prj_1", False),
        ("https://app.example.com/V1/functions/steal", False),
        ("https://app.example.com/./v1/functions/steal", False),
        ("https://app.example.com/account/../v1/functions/steal", False),
        ("https://app.example.com/%761/functions/steal", False),
        ("https://app.example.com//v1/functions/steal", False),
        ("https://app.example.com/v1", False),
        ("https://app.example.com/behind/a/proxy/v1/functions/steal", False),
        ("https://app.example.com/v10/done", True),
    ],
)
def test_the_browser_is_sent_only_to_this_installation_or_to_a_program_on_its_machine(url: str, allowed: bool) -> None:
    if allowed:
        assert checked_redirect(url, "https://app.example.com") == url
    else:
        with pytest.raises(InvalidInput):
            checked_redirect(url, "https://app.example.com")


async def test_a_start_needs_a_known_provider_and_a_challenge(bunauth: BunAuthService) -> None:
    with pytest.raises(ProviderNotFound):
        await bunauth.start_external_login("unknown", ExternalStart(REDIRECT, challenge_of(VERIFIER)))
    for challenge in ("", "short", "x" * 43 + "\n"):
        with pytest.raises(InvalidInput):
            await bunauth.start_external_login(NAME, ExternalStart(REDIRECT, challenge))


async def test_a_provider_that_is_down_is_named_without_its_details(
    bunauth: BunAuthService, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(*_: object) -> str:
        raise ProviderFailed("10.0.0.7 did not answer")

    monkeypatch.setattr(provider, "authorization_url", down)

    with pytest.raises(ProviderUnavailable) as failed:
        await started(bunauth)
    assert "10.0.0.7" not in failed.value.detail


async def test_an_account_links_lists_and_removes_identities_and_its_owner_is_told(
    bunauth: BunAuthService, provider: FakeProvider, ada: SignedIn
) -> None:
    caller = await caller_with(bunauth, ada.access_token)
    provider.person_there = Person("sub-work", "work@example.com", False)
    ticket = await bunauth.create_link_ticket(caller, NAME)

    linked = await signed_in(bunauth, ticket.ticket)

    assert linked.user.id == ada.user.id
    assert (await signed_in(bunauth)).user.id == ada.user.id
    (identity,) = (await bunauth.identities(caller)).items
    with pytest.raises(LinkExpired):
        await started(bunauth, ticket.ticket)
    await bunauth.delete_identity(caller, identity.id)
    with pytest.raises(IdentityNotFound):
        await bunauth.delete_identity(caller, identity.id)
    assert (await kinds(bunauth, "ada@example.com"))[-2:] == ["identity_linked", "identity_removed"]
    changes = [one for one in (await bunauth.activity(caller, 20, None)).items if one.action.startswith("identity.")]
    assert [(one.action, one.target) for one in changes] == [("identity.delete", NAME), ("identity.link", NAME)]
    audited = {one.entry.action for one in await bunauth.unaudited_activity()}
    assert audited & {"identity.link", "identity.delete"} == {"identity.link"}
    with pytest.raises(ExternalEmailNotVerified):
        await signed_in(bunauth)


async def test_an_identity_belongs_to_one_account(
    bunauth: BunAuthService, provider: FakeProvider, ada: SignedIn
) -> None:
    provider.person_there = Person("sub-eve", EVE, True)
    eve = await signed_in(bunauth)
    caller = await caller_with(bunauth, ada.access_token)

    with pytest.raises(IdentityTaken):
        await signed_in(bunauth, (await bunauth.create_link_ticket(caller, NAME)).ticket)

    assert (await signed_in(bunauth)).user == eve.user
    assert not (await bunauth.identities(caller)).items


async def test_the_last_way_to_sign_in_cannot_be_removed(
    bunauth: BunAuthService, provider: FakeProvider, clock: ManualClock, ada: SignedIn
) -> None:
    provider.person_there = Person("sub-eve", EVE, True)
    eve = await caller_with(bunauth, (await signed_in(bunauth)).access_token)
    provider.person_there = Person("sub-second", EVE, True)
    await signed_in(bunauth)
    first, second = (await bunauth.identities(eve)).items

    outcomes = await asyncio.gather(
        *(bunauth.delete_identity(eve, one.id) for one in (first, second)), return_exceptions=True
    )

    assert sorted(type(one).__name__ for one in outcomes) == ["LastSignInMethod", "NoneType"]
    assert isinstance(next(filter(None, outcomes)), LastSignInMethod)
    clock.advance(600)
    with pytest.raises(ReauthenticationRequired) as needed:
        await bunauth.delete_identity(eve, first.id)
    assert needed.value.extra["methods"] == ["sign_in"]


async def test_a_ticket_needs_a_fresh_proof_and_dies_with_its_session(
    bunauth: BunAuthService, clock: ManualClock, ada: SignedIn
) -> None:
    caller = await caller_with(bunauth, ada.access_token)
    ticket = (await bunauth.create_link_ticket(caller, NAME)).ticket
    code = await code_of(bunauth, ticket)
    await bunauth.logout(caller)
    with pytest.raises(ExternalLoginExpired):
        await bunauth.exchange_code(ANYONE, CodeExchange(code, VERIFIER))

    later = await caller_with(bunauth, (await bunauth.login(ANYONE, "ada@example.com", PASSWORD)).access_token)
    clock.advance(600)
    with pytest.raises(ReauthenticationRequired):
        await bunauth.create_link_ticket(later, NAME)


async def test_the_database_holds_no_secret_of_a_sign_in(bunauth: BunAuthService) -> None:
    state, browser = await started(bunauth)

    rows = await bunauth.stores.db.value("SELECT string_agg(external_logins::text, ' ') FROM external_logins")

    for secret in (state, browser):
        assert secret not in rows
        assert secret.encode().hex() not in rows
