"""Sign-in with other services. The fake service returns the person that a test has chosen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio

import bunbase.tenant_auth.providers
from bunbase.contracts.bunauth.problems import (
    EmailTaken,
    ExternalEmailNotVerified,
    ExternalLoginExpired,
    IdentityNotFound,
    IdentityTaken,
    InvalidCredentials,
    InvalidToken,
    LastSignInMethod,
    LinkExpired,
    ProviderNotFound,
    ReauthenticationRequired,
    SignupsClosed,
)
from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.tenant_auth.identities import UserCodeExchange
from bunbase.contracts.tenant_auth.problems import (
    EmailDomainNotAllowed,
    MfaEnrolmentRequired,
    SignupRefused,
    UserBanned,
)
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges, UserFilter
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput, Unauthenticated
from bunbase.pkg.identity.external import ExternalAnswer, ExternalStart
from bunbase.pkg.oidc.person import Person, challenge_of
from bunbase.pkg.oidc.settings import ProviderSettings
from bunbase.pkg.outgoing import Outgoing
from bunbase.tenant_auth.service import TenantAuthService
from tests.bunauth.external import FakeProvider
from tests.rooms import member_caller, secret_caller
from tests.tenant_auth.external import APP, VERIFIER, anonymous, code_of, configure, signed_in, started
from tests.tenant_auth.hooking import FakeFunctions, delivered
from tests.tenant_auth.mailbox import kinds, link
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, LIBRARY, PASSWORD, as_user, claims_of, signed_up

FOREIGN: Final = (
    "https://bakery.example/",
    "https://bakery.example/signed-in/../other",
    "https://bakery.example/signed-in-too",
    "https://bakery.example.evil.example/signed-in",
    "https://bakery.example@evil.example/signed-in",
    "http://bakery.example/signed-in",
    "https://bakery.example:444/signed-in",
    "//evil.example/signed-in",
    "javascript:alert(1)",
    "https://evil.example/#https://bakery.example/signed-in",
    "http://127.0.0.1:7070/v1/auth",
    "",
)
KEY_OF_APPLE: Final = {"team_id": "ABCDE12345", "key_id": "FGHIJ67890"}
UNUSABLE: Final[list[tuple[str, dict[str, Any], str]]] = [
    ("Corp", {"client_id": "x", "issuer": "https://idp.example"}, "Corp"),
    ("corp", {"client_id": "x"}, "corp/issuer"),
    ("corp", {"client_id": "x", "issuer": "http://10.0.0.7"}, "corp/issuer"),
    ("corp", {"client_id": "x", "kind": "gogle"}, "corp/kind"),
    ("google", {"client_id": ""}, "google/client_id"),
    ("google", {"client_id": "x", "issuer": "https://evil.example"}, "google/issuer"),
    ("apple", {"client_id": "x", "options": {"team_id": "ABCDE12345"}}, "apple/options/key_id"),
    ("apple", {"client_id": "x", "client_secret": "no key", "options": KEY_OF_APPLE}, "apple/client_secret"),
    ("microsoft", {"client_id": "x", "options": {"tenant": "../evil"}}, "microsoft/options/tenant"),
]
EVE, SERVER, MEMBER = "eve@example.com", secret_caller(BAKERY), member_caller(BAKERY, Role.ADMIN)


class Service(FakeProvider):
    """A fake service.

    `opened` has the settings of each client that was made, and `trusted` has the hosts that it trusts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.person_there = Person("sub-eve", EVE, True, "Eve")
        self.opened: list[ProviderSettings] = []
        self.trusted: list[frozenset[str]] = []


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()

    def open_it(settings: ProviderSettings, _now: object, outgoing: Outgoing) -> Service:
        service.opened.append(settings)
        service.trusted.append(outgoing.trusted)
        return service

    monkeypatch.setattr(bunbase.tenant_auth.providers, "open_provider", open_it)
    return service


@pytest_asyncio.fixture
async def room(tenant_auth: TenantAuthService, service: Service) -> AsyncIterator[TenantAuthService]:
    await configure(tenant_auth, BAKERY)
    yield tenant_auth


async def test_a_person_with_a_verified_address_becomes_a_user_and_signs_in_to_it_again(
    room: TenantAuthService, service: Service, clock: ManualClock
) -> None:
    first = await signed_in(room)
    # The subject identifies the person, and the address does not.
    service.person_there = Person("sub-eve", "moved@example.com", False)
    again = await signed_in(room)

    assert (first.user.email, first.user.name, first.user.email_verified, first.user.role) == (EVE, "Eve", True, "user")
    assert again.user == first.user
    shown = [(one.name, one.title, one.kind) for one in (await room.user_login_providers(AT_BAKERY)).items]
    assert shown == [("google", "Google", "google")]
    assert not (await room.user_login_providers(AT_LIBRARY)).items
    caller = await as_user(room, AT_BAKERY, again.access_token, clock.now().timestamp)
    (identity,) = (await room.user_identities(caller)).items
    assert (identity.provider, identity.email) == ("google", "moved@example.com")
    assert len(service.opened) == 1, "a client is kept for further sign-ins"
    assert (service.opened[0].client_secret, service.trusted[0]) == ("only-google-knows", frozenset())
    with pytest.raises(InvalidCredentials):
        await room.login(AT_BAKERY, EVE, "")


async def test_users_are_joined_by_their_address_if_both_sides_have_verified_it(
    room: TenantAuthService, service: Service
) -> None:
    eve = await room.create_user(SERVER, NewUser(EVE, PASSWORD, email_verified=True))

    joined = await signed_in(room)

    assert joined.user.id == eve.id
    assert (await room.login(AT_BAKERY, EVE, PASSWORD)).user.id == eve.id
    assert await kinds(room, EVE) == ["identity_linked"]


async def test_the_owner_of_an_address_takes_over_a_user_that_somebody_else_has_prepared(
    room: TenantAuthService, service: Service, clock: ManualClock
) -> None:
    """In a "pre-hijacking" attack, the attacker has the password, a session, an identity, a ticket and a mail link."""
    new = await signed_up(room, email=EVE)
    thief = await as_user(room, AT_BAKERY, new.access_token, clock.now().timestamp)
    service.person_there = Person("sub-thief", "thief@example.com", True)
    await signed_in(room, link=(await room.create_user_link_ticket(thief, "google")).ticket)
    ticket = (await room.create_user_link_ticket(thief, "google")).ticket
    await room.request_user_verification(AT_BAKERY, EVE, "")
    old_link = await link(room, EVE, "verify-email")

    service.person_there = Person("sub-eve", EVE, True, "Eve")
    owner = await signed_in(room)

    assert (owner.user.id, owner.user.email_verified) == (new.user.id, True)
    assert not await room.session_alive(BAKERY, thief.end_user().session, 0)
    with pytest.raises(InvalidToken):
        await room.refresh(AT_BAKERY, new.refresh_token)
    with pytest.raises(InvalidCredentials):
        await room.login(AT_BAKERY, EVE, PASSWORD)
    with pytest.raises(LinkExpired):
        await room.verify_user_email(AT_BAKERY, old_link)
    with pytest.raises(ExternalLoginExpired):
        await signed_in(room, link=ticket)
    service.person_there = Person("sub-thief", EVE, False)
    with pytest.raises(ExternalEmailNotVerified):
        await signed_in(room)


@pytest.mark.parametrize("email", [EVE, None])
async def test_without_a_verified_address_a_person_becomes_no_user_and_joins_none(
    room: TenantAuthService, service: Service, email: str | None
) -> None:
    eve = await room.create_user(SERVER, NewUser(EVE, PASSWORD, email_verified=True))
    service.person_there = Person("x", email, False)

    with pytest.raises(ExternalEmailNotVerified):
        await signed_in(room)

    assert [one.id for one in (await room.users(SERVER, UserFilter(), 9, None)).items] == [eve.id]


@pytest.mark.parametrize(
    "settings", [{"signups": "closed"}, {"signups": "invite"}, {"email_domains": ["bakery.example"]}]
)
async def test_only_people_whom_the_settings_admit_become_users(
    room: TenantAuthService, service: Service, settings: dict[str, Any]
) -> None:
    await configure(room, BAKERY, **settings)

    with pytest.raises((SignupsClosed, EmailDomainNotAllowed)):
        await signed_in(room)
    await room.create_user(SERVER, NewUser(EVE, email_verified=True))

    assert (await signed_in(room)).user.email == EVE


async def test_a_state_a_code_a_ticket_and_an_identity_are_worthless_in_another_project(
    room: TenantAuthService, service: Service, clock: ManualClock
) -> None:
    await configure(room, LIBRARY)
    reader = await as_user(room, AT_LIBRARY, (await signed_up(room, AT_LIBRARY)).access_token, clock.now().timestamp)
    ticket = (await room.create_user_link_ticket(reader, "google")).ticket

    code = await code_of(room, AT_LIBRARY)
    with pytest.raises(ExternalLoginExpired):
        await room.exchange_user_code(AT_BAKERY, UserCodeExchange(code, VERIFIER))
    with pytest.raises(LinkExpired):
        await started(room, AT_BAKERY, ticket)
    state, browser = await started(room, AT_LIBRARY)
    await room.change_project_auth(_admin(LIBRARY), {"providers": {"google": {"enabled": False}}}, None)
    # The exchange asks the pool of the state, and not a pool that still has this provider.
    with pytest.raises(ProviderNotFound):
        await room.finish_user_login("google", ExternalAnswer(state, browser, "code"))

    eve = await signed_in(room, AT_BAKERY)
    baker = await as_user(room, AT_BAKERY, eve.access_token, clock.now().timestamp)
    (identity,) = (await room.user_identities(baker)).items
    with pytest.raises(IdentityNotFound):
        await room.delete_user_identity(reader, identity.id)

    assert eve.user.id != reader.end_user().uid
    assert not (await room.user_identities(reader)).items
    with pytest.raises(Unauthenticated):
        await room.user_identities(AT_BAKERY)


async def test_an_answer_counts_once_only_in_the_browser_that_began_and_only_for_its_provider(
    room: TenantAuthService,
) -> None:
    """A stranger can neither sign somebody in to the stranger's own account (CSRF login) nor mix providers up."""
    await configure(room, BAKERY, providers={"second": {"kind": "google", "client_id": "bakery"}})
    state, browser = await started(room)
    _, another = await started(room)

    for wrong in (ExternalAnswer(state, another, "code"), ExternalAnswer(state, "", "code")):
        back = await room.finish_user_login("google", wrong)
        assert back.url == f"{APP}?error=external_login_expired", "the app hears of it, and the sign-in goes on"
    with pytest.raises(ExternalLoginExpired, match=r"localhost and 127\.0\.0\.1 are two hosts"):
        await room.finish_user_login("google", ExternalAnswer("bst_x", browser))
    good = ExternalAnswer(state, browser, "code")
    with pytest.raises(ExternalLoginExpired):
        await room.finish_user_login("second", good)
    await room.finish_user_login("google", good)
    with pytest.raises(ExternalLoginExpired):
        await room.finish_user_login("google", good)


async def test_a_code_signs_in_once_and_only_for_the_app_that_began(
    room: TenantAuthService, clock: ManualClock
) -> None:
    code = await code_of(room)
    trade = UserCodeExchange(code, VERIFIER)
    outcomes = await asyncio.gather(
        *(room.exchange_user_code(AT_BAKERY, trade) for _ in range(3)), return_exceptions=True
    )
    stolen = await code_of(room)
    for verifier in ("w" * 43, VERIFIER):  # The wrong verifier has used the code up.
        with pytest.raises(ExternalLoginExpired):
            await room.exchange_user_code(AT_BAKERY, UserCodeExchange(stolen, verifier))
    late = await code_of(room)
    clock.advance(60)
    with pytest.raises(ExternalLoginExpired):
        await room.exchange_user_code(AT_BAKERY, UserCodeExchange(late, VERIFIER))

    assert sum(isinstance(one, UserSignedIn) for one in outcomes) == 1
    assert sum(isinstance(one, ExternalLoginExpired) for one in outcomes) == 2


async def test_a_browser_is_sent_only_to_addresses_that_the_project_allows(room: TenantAuthService) -> None:
    for url in (APP, f"{APP}/below?x=1"):
        start = ExternalStart(url, challenge_of(VERIFIER))
        assert (await room.start_user_login(AT_BAKERY, "google", start)).url.startswith("https://idp.example/")
    for url in FOREIGN:
        with pytest.raises(InvalidInput):
            await room.start_user_login(AT_BAKERY, "google", ExternalStart(url, challenge_of(VERIFIER)))
    await configure(room, BAKERY, redirect_urls=[])
    with pytest.raises(InvalidInput):
        await started(room)


async def test_a_user_links_lists_and_removes_identities_and_keeps_one_way_in(
    room: TenantAuthService, service: Service, clock: ManualClock
) -> None:
    new = await signed_in(room)
    eve = await as_user(room, AT_BAKERY, new.access_token, clock.now().timestamp)
    service.person_there = Person("sub-work", "work@example.com", False)
    ticket = (await room.create_user_link_ticket(eve, "google")).ticket

    linked = await signed_in(room, link=ticket)

    assert linked.user.id == new.user.id == (await signed_in(room)).user.id
    with pytest.raises(LinkExpired):
        await started(room, link=ticket)
    second, first = (await room.user_identities(eve)).items
    # A verified address is a way to sign in, too.
    await room.stores.db.execute("UPDATE users SET email_verified = false WHERE id = $1", new.user.id)
    outcomes = await asyncio.gather(
        *(room.delete_user_identity(eve, one.id) for one in (first, second)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["LastSignInMethod", "NoneType"]
    (left,) = (await room.user_identities(eve)).items
    with pytest.raises(IdentityNotFound):
        await room.delete_user_identity(eve, "idn_x")
    with pytest.raises(LastSignInMethod):
        await room.delete_user_identity(eve, left.id)
    assert await kinds(room, EVE) == ["identity_linked", "identity_removed"]
    clock.advance(600)
    for dangerous in (room.delete_user_identity(eve, left.id), room.create_user_link_ticket(eve, "google")):
        with pytest.raises(ReauthenticationRequired):
            await dangerous


async def test_an_identity_belongs_to_one_user_and_a_banned_user_stays_out(
    room: TenantAuthService, service: Service, clock: ManualClock
) -> None:
    eve = await signed_in(room)
    bob = await signed_up(room, email="bob@example.com")
    caller = await as_user(room, AT_BAKERY, bob.access_token, clock.now().timestamp)

    with pytest.raises(IdentityTaken):
        await signed_in(room, link=(await room.create_user_link_ticket(caller, "google")).ticket)
    await room.update_user(SERVER, eve.user.id, UserChanges(banned=True))
    with pytest.raises(UserBanned):
        await signed_in(room)

    assert not (await room.user_identities(caller)).items


async def test_an_anonymous_user_is_upgraded_in_place_and_keeps_id_and_data(
    room: TenantAuthService, service: Service, clock: ManualClock
) -> None:
    visitor = await anonymous(room, clock)

    upgraded = await signed_in(room, exchanger=visitor)

    assert (upgraded.user.id, upgraded.user.data) == (visitor.end_user().uid, {"cart": ["rye"]})
    assert (upgraded.user.anonymous, upgraded.user.email, upgraded.user.email_verified) == (False, EVE, True)
    claims = await claims_of(room, BAKERY, upgraded.access_token, clock.now().timestamp)
    assert claims["email"] == EVE
    assert not await room.session_alive(BAKERY, visitor.end_user().session, 0), "the token of before says anonymous"
    assert (await signed_in(room)).user == upgraded.user


async def test_an_anonymous_user_is_not_merged_with_a_user_who_is_there_already(
    room: TenantAuthService, service: Service, clock: ManualClock
) -> None:
    await room.create_user(SERVER, NewUser(EVE, PASSWORD))
    visitor = await anonymous(room, clock)

    with pytest.raises(EmailTaken):
        await signed_in(room, exchanger=visitor)
    known = await signed_in(room)  # This sign-in has no token of the anonymous user.
    with pytest.raises(IdentityTaken):
        await signed_in(room, exchanger=visitor)

    assert (await room.me(visitor)).anonymous
    assert known.user.email == EVE
    service.person_there = Person("sub-nameless", None, False)
    ticket = (await room.create_user_link_ticket(visitor, "google")).ticket
    assert (await signed_in(room, link=ticket)).user.id == visitor.end_user().uid


@pytest.mark.parametrize("by_ticket", [False, True], ids=["with the token", "with a ticket"])
async def test_an_anonymous_user_who_signs_up_by_a_service_needs_the_second_factor_of_the_project(
    room: TenantAuthService, clock: ManualClock, by_ticket: bool
) -> None:
    """A signed-in user may link a service with the session alone.

    An anonymous user, who has proved nothing, needs the second factor to do so.
    """
    await configure(room, BAKERY, second_factor="required", anonymous={"enabled": True})
    opened = await room.sign_in_anonymously(AT_BAKERY, {})
    visitor = await as_user(room, AT_BAKERY, opened.access_token, clock.now().timestamp)
    ticket = (await room.create_user_link_ticket(visitor, "google")).ticket if by_ticket else ""

    with pytest.raises(MfaEnrolmentRequired):
        await signed_in(room, link=ticket, exchanger=visitor)

    with pytest.raises(InvalidToken):  # The visitor's session does not become a session of the user.
        await room.refresh(AT_BAKERY, opened.refresh_token)
    with pytest.raises(MfaEnrolmentRequired):
        await signed_in(room)
    assert not (await room.user(SERVER, visitor.end_user().uid)).anonymous


async def test_the_secret_of_a_provider_never_goes_to_another_server(room: TenantAuthService) -> None:
    mine = {"corp": {"issuer": "https://idp.bakery.example", "client_id": "x", "client_secret": "hidden"}}
    await room.change_project_auth(_admin(BAKERY), {"providers": mine}, None)
    await room.change_project_auth(_admin(BAKERY), {"providers": {"corp": {"client_id": "y"}}}, None)
    kept = (await room.project_auth(_admin(BAKERY))).secrets
    moved = {"providers": {"corp": {"issuer": "https://evil.example"}}}

    after = await room.change_project_auth(_admin(BAKERY), moved, None)

    assert "providers.corp" in kept
    assert "providers.corp" not in after.secrets


async def test_settings_with_which_nobody_could_sign_in_are_refused(room: TenantAuthService) -> None:
    await room.change_project_auth(_admin(BAKERY), {"providers": {"google": None}}, None)

    for name, provider, path in UNUSABLE:
        with pytest.raises(InvalidInput) as refused:
            await room.change_project_auth(_admin(BAKERY), {"providers": {name: provider}}, None)
        assert refused.value.extra["errors"][0]["path"] == f"/providers/{path}", refused.value.extra
    disabled = await room.change_project_auth(_admin(BAKERY), {"providers": {"google": {"enabled": False}}}, None)

    assert tuple(disabled.providers) == ("google",)
    assert (await room.change_project_auth(_admin(BAKERY), {"providers": None}, None)).providers == {}


def _admin(project: str) -> Caller:
    return member_caller(project, Role.ADMIN)


async def test_the_hook_decides_about_people_of_other_services_outside_of_the_transaction(
    room: TenantAuthService, functions: FakeFunctions, clock: ManualClock
) -> None:
    async def hook(event: dict[str, Any]) -> dict[str, Any]:
        if event["method"]["provider"] == "anonymous":
            return {}
        # If the exchange had an open transaction here, this call would wait forever.
        await room.create_user(SERVER, NewUser(EVE))
        [made] = (await room.users(SERVER, UserFilter(email=EVE), 1, None)).items
        await room.delete_user(SERVER, made.id)
        return answers.pop(0)

    answers: list[dict[str, Any]] = [
        {"refuse": "Bakers only."},
        {"role": "baker"},
        {"role": "visitor", "data": {"cart": []}},
    ]
    functions.deploy(BAKERY, "gate", before_signup=hook, after_signup=lambda _: None)
    await room.change_project_auth(MEMBER, {"hooks": {"before_signup": "gate", "after_signup": "gate"}}, None)

    with pytest.raises(SignupRefused, match="Bakers only"):
        await signed_in(room)
    assert (await room.users(SERVER, UserFilter(), 10, None)).items == ()
    first, again = await signed_in(room), await signed_in(room)
    await delivered(room)
    await room.delete_user(SERVER, first.user.id)
    upgraded = await signed_in(room, visitor := await anonymous(room, clock))
    await delivered(room)

    assert (first.user.role, again.user.id) == ("baker", first.user.id)
    assert (upgraded.user.id, upgraded.user.role) == (visitor.end_user().uid, "visitor")
    assert (upgraded.user.email, upgraded.user.data, upgraded.user.anonymous) == (EVE, {"cart": []}, False)
    assert not answers
    ways = [(call.event["user"]["id"], call.event["provider"]) for _, call, _ in functions.jobs]
    assert ways == [(first.user.id, "google"), (upgraded.user.id, "anonymous"), (upgraded.user.id, "google")]
