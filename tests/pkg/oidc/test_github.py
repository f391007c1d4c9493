from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bunbase.pkg.oidc.github import GitHub
from bunbase.pkg.oidc.person import Person, ProviderAnswer, ProviderFailed, ProviderRefused, Secrets
from bunbase.pkg.oidc.settings import ProviderSettings
from tests.pkg.oidc.fake_provider import CLIENT, SECRET, FakeProvider, fake_provider

REDIRECT = "https://app.example.com/callback"
SECRETS = Secrets("the state", "the nonce", "v" * 43)


@pytest.fixture
async def fake() -> AsyncIterator[FakeProvider]:
    async with fake_provider() as fake:
        yield fake


@pytest.fixture
async def github(fake: FakeProvider) -> AsyncIterator[GitHub]:
    client = GitHub(ProviderSettings(CLIENT, SECRET, kind="github", issuer=fake.issuer))
    yield client
    await client.close()


async def sign_in(github: GitHub, fake: FakeProvider) -> Person:
    fake.codes["code"] = SECRETS.challenge
    return await github.person(ProviderAnswer(code="code"), REDIRECT, SECRETS)


async def test_a_person_of_github_has_the_number_of_the_account_and_the_primary_address(
    github: GitHub, fake: FakeProvider
) -> None:
    fake.emails.insert(0, {"email": "other@example.com", "primary": False, "verified": True})

    assert await sign_in(github, fake) == Person("7", "ada@example.com", True, "ada")


@pytest.mark.parametrize(
    ("emails", "email"),
    [
        ([], None),
        ([{"email": "other@example.com", "primary": False, "verified": True}], None),
        ([{"email": "ada@example.com", "primary": True, "verified": False}], "ada@example.com"),
    ],
)
async def test_only_a_verified_primary_address_counts(
    github: GitHub, fake: FakeProvider, emails: list[dict[str, Any]], email: str | None
) -> None:
    fake.emails = emails

    person = await sign_in(github, fake)

    assert (person.email, person.email_verified) == (email, False)


async def test_the_primary_address_of_somebody_with_many_addresses_is_found(github: GitHub, fake: FakeProvider) -> None:
    others = [{"email": f"{place}@example.com", "primary": False, "verified": True} for place in range(40)]
    fake.emails = [*others, *fake.emails]

    assert (await sign_in(github, fake)).email == "ada@example.com"


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_an_app_that_may_not_read_addresses_still_gets_the_person(
    github: GitHub, fake: FakeProvider, status: int
) -> None:
    fake.answers["/api/v3/user/emails"] = (status, b'{"message": "Resource not accessible by integration"}')

    assert await sign_in(github, fake) == Person("7", None, False, "ada")


async def test_a_used_code_is_refused_and_other_errors_are_failures(github: GitHub, fake: FakeProvider) -> None:
    path = "/login/oauth/access_token"
    fake.answers[path] = (200, b'{"error": "bad_verification_code"}')
    with pytest.raises(ProviderRefused, match="invalid_grant"):
        await sign_in(github, fake)

    fake.answers[path] = (200, b'{"error": "incorrect_client_credentials"}')
    with pytest.raises(ProviderFailed, match="incorrect_client_credentials"):
        await sign_in(github, fake)


def test_without_an_issuer_the_client_talks_to_github_itself() -> None:
    github = GitHub(ProviderSettings(CLIENT, SECRET, kind="github"))

    assert (github.url, github.api_url) == ("https://github.com", "https://api.github.com")
