"""Services that differ from the standard, tested with a provider that imitates their answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import CannotStart
from bunbase.pkg.oidc.openid import OpenIdProvider
from bunbase.pkg.oidc.person import Person, Provider, ProviderAnswer, ProviderFailed, ProviderRefused, Secrets
from bunbase.pkg.oidc.presets import AppleSecret, preset
from bunbase.pkg.oidc.providers import open_provider
from bunbase.pkg.oidc.settings import Kind, ProviderSettings, check_provider
from bunbase.pkg.outgoing import Outgoing
from tests.pkg.oidc.fake_provider import CLIENT, SECRET, FakeProvider, fake_provider

REDIRECT = "https://app.example.com/callback"
SECRETS = Secrets("the state", "the nonce", "v" * 43)
TENANT = "11111111-2222-3333-4444-555555555555"
APPLE = {"team_id": "ABCDE12345", "key_id": "FGHIJ67890"}
CLOCK = ManualClock()


def now() -> float:
    return CLOCK.now().timestamp()


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with fake_provider() as fake:
        fake.now, fake.nonce = now(), SECRETS.nonce
        yield fake


def client(settings: ProviderSettings) -> Provider:
    """Return a client that keeps no connections, so that nobody needs to close it."""
    return open_provider(settings, now, Outgoing(["127.0.0.1"], 5.0, keep=0))


async def sign_in(fake: FakeProvider, provider: Provider) -> Person:
    await provider.authorization_url(REDIRECT, SECRETS)
    fake.codes["code"] = SECRETS.challenge
    return await provider.person(ProviderAnswer(code="code"), REDIRECT, SECRETS)


def at_microsoft(fake: FakeProvider, metadata_issuer: str, **options: str) -> Provider:
    """Return a client of Microsoft whose metadata are below `/common/v2.0`."""
    fake.metadata["issuer"] = metadata_issuer
    path = "/.well-known/openid-configuration"
    fake.answers[f"/common/v2.0{path}"] = fake.answer(path, {}, {})
    issuer = f"{fake.issuer}/common/v2.0"
    return client(ProviderSettings(CLIENT, SECRET, "microsoft", issuer, options=options))


@pytest.mark.parametrize(
    ("claims", "person"),
    [
        ({"xms_edov": True}, Person("ada", "ada@example.com", True, "Ada")),
        ({"xms_edov": "1"}, Person("ada", "ada@example.com", True, "Ada")),
        ({}, Person("ada", "ada@example.com", False, "Ada")),
        ({"xms_edov": "0"}, Person("ada", "ada@example.com", False, "Ada")),
        ({"xms_edov": True, "email": None}, Person("ada", None, False, "Ada")),
    ],
)
async def test_an_address_of_microsoft_counts_only_if_the_owner_of_its_domain_was_verified(
    fake: FakeProvider, claims: dict[str, Any], person: Person
) -> None:
    """The administrator of any tenant may write the address of somebody else, also with `email_verified` (nOAuth)."""
    provider = at_microsoft(fake, f"{fake.issuer}/{{tenantid}}/v2.0")
    fake.claims = {"iss": f"{fake.issuer}/{TENANT}/v2.0", "tid": TENANT, "email_verified": True} | claims

    assert await sign_in(fake, provider) == person


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "{}/another/v2.0", "tid": TENANT},
        {"iss": "{}/{tenantid}/v2.0"},
        {"iss": "{}/../evil/v2.0", "tid": "../evil"},
        {"iss": "{}/{tenantid}/v2.0", "tid": "{tenantid}"},
    ],
)
async def test_a_token_of_microsoft_must_be_from_the_tenant_that_it_names(
    fake: FakeProvider, claims: dict[str, Any]
) -> None:
    provider = at_microsoft(fake, f"{fake.issuer}/{{tenantid}}/v2.0")
    fake.claims = claims | {"iss": claims["iss"].replace("{}", fake.issuer), "xms_edov": True}

    with pytest.raises(ProviderFailed, match="iss"):
        await sign_in(fake, provider)


def test_each_preset_knows_its_server() -> None:
    found = {
        (kind, tenant): preset(ProviderSettings(CLIENT, kind=kind, options=options), now)
        for kind, tenant, options in _kinds()
    }

    assert {at: settings.issuer for at, (settings, _) in found.items()} == {
        ("google", ""): "https://accounts.google.com",
        ("apple", ""): "https://appleid.apple.com",
        ("microsoft", ""): "https://login.microsoftonline.com/common/v2.0",
        ("microsoft", TENANT): f"https://login.microsoftonline.com/{TENANT}/v2.0",
        ("microsoft", "consumers"): "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
        ("microsoft", "organizations"): "https://login.microsoftonline.com/organizations/v2.0",
    }
    named = {at: dialect.issuer for at, (_, dialect) in found.items() if dialect.issuer}
    template = "https://login.microsoftonline.com/{tenantid}/v2.0"
    assert named == {("microsoft", ""): template, ("microsoft", "organizations"): template}


async def test_apple_gets_a_short_lived_secret_and_answers_with_a_form(fake: FakeProvider) -> None:
    key = ECKey.generate_key("P-256")
    pem = key.as_pem(private=True).decode()
    settings = ProviderSettings(CLIENT, pem, "apple", fake.issuer, options=APPLE)
    fake.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    fake.claims = {"email_verified": "true", "name": None}
    provider = client(settings)

    person = await sign_in(fake, provider)

    asked = parse_qs(urlsplit(await provider.authorization_url(REDIRECT, SECRETS)).query)
    assert (asked["scope"], asked["response_mode"]) == (["openid email"], ["form_post"])
    assert person == Person("ada", "ada@example.com", True)
    token = jwt.decode(fake.form["client_secret"][0], key, algorithms=["ES256"])
    assert token.header == {"alg": "ES256", "kid": APPLE["key_id"], "typ": "JWT"}
    assert token.claims == {
        "iss": APPLE["team_id"],
        "iat": int(now()),
        "exp": int(now()) + 300,
        "aud": "https://appleid.apple.com",
        "sub": CLIENT,
    }


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "no key",
        ECKey.generate_key("P-384").as_pem(private=True).decode(),
        ECKey.generate_key("P-256").as_pem(private=True).decode() + "\n" * 1000,
    ],
    ids=["empty", "no key", "another curve", "too long"],
)
def test_a_client_secret_of_apple_that_is_no_private_key_is_named(secret: str) -> None:
    settings = ProviderSettings(CLIENT, secret, "apple", options=APPLE)

    with pytest.raises(ProviderFailed, match=r"\.p8"):
        AppleSecret(settings, now)()


async def test_a_person_of_discord_has_the_number_of_the_user_and_a_verified_address(fake: FakeProvider) -> None:
    provider = client(ProviderSettings(CLIENT, SECRET, "discord", fake.issuer))
    user = {"id": "80351110224678912", "username": "ada", "email": "ada@example.com", "verified": True}
    fake.answers["/api/oauth2/token"] = (200, b'{"access_token": "access"}')

    fake.answers["/api/users/@me"] = (200, msgspec.json.encode(user))
    assert await sign_in(fake, provider) == Person("80351110224678912", "ada@example.com", True, "ada")
    fake.answers["/api/users/@me"] = (200, msgspec.json.encode(user | {"verified": False, "global_name": "Ada L."}))
    assert await sign_in(fake, provider) == Person("80351110224678912", "ada@example.com", False, "Ada L.")
    fake.answers["/api/users/@me"] = (200, msgspec.json.encode(user | {"email": None}))
    assert await sign_in(fake, provider) == Person("80351110224678912", None, False, "ada")
    fake.answers["/api/users/@me"] = (200, msgspec.json.encode(user | {"id": ""}))
    with pytest.raises(ProviderFailed):
        await sign_in(fake, provider)
    fake.answers["/api/oauth2/token"] = (400, b'{"error": "invalid_grant"}')
    with pytest.raises(ProviderRefused):
        await sign_in(fake, provider)
    asked = parse_qs(urlsplit(await provider.authorization_url(REDIRECT, SECRETS)).query)
    assert (asked["code_challenge_method"], asked["scope"]) == (["S256"], ["identify email"])


async def test_a_standard_provider_can_be_asked_for_a_form(fake: FakeProvider) -> None:
    settings = ProviderSettings(CLIENT, SECRET, issuer=fake.issuer, options={"response_mode": "form_post"})
    provider = client(settings)

    assert isinstance(provider, OpenIdProvider)
    assert "response_mode=form_post" in await provider.authorization_url(REDIRECT, SECRETS)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("apple", {}, "options.team_id must have the form"),
        ("apple", APPLE | {"team": "x"}, "options.team is unknown: apple has team_id and key_id"),
        ("google", {"tenant": "x"}, "options.tenant is unknown: google has no options"),
        ("microsoft", {"tenant": "common/../evil"}, "options.tenant must have the form"),
    ],
)
def test_options_with_which_nobody_could_sign_in_stop_the_start(
    kind: Kind, options: dict[str, str], message: str
) -> None:
    with pytest.raises(CannotStart, match=message):
        check_provider("bunauth.providers.one", ProviderSettings(CLIENT, kind=kind, options=options))


def _kinds() -> list[tuple[Kind, str, dict[str, str]]]:
    tenants = ("", TENANT, "consumers", "organizations")
    of_microsoft: list[tuple[Kind, str, dict[str, str]]] = [
        ("microsoft", tenant, {"tenant": tenant} if tenant else {}) for tenant in tenants
    ]
    return [("google", "", {}), ("apple", "", APPLE), *of_microsoft]
