from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from bunbase.pkg.clock import ManualClock
from bunbase.pkg.identity.events import CredentialEvent
from bunbase.pkg.identity.external import ExternalAnswer, ExternalStart
from bunbase.pkg.identity.external_login import ExternalLogins
from bunbase.pkg.identity.external_people import ExternalPeople, JoinedAccount
from bunbase.pkg.identity.problems import ExternalLoginExpired, IdentityNotFound, IdentityTaken
from bunbase.pkg.identity.store.external_logins import ExternalCode, project_of_login
from bunbase.pkg.oidc.person import Person, ProviderAnswer, Secrets, challenge_of
from bunbase.pkg.oidc.settings import ProviderSettings
from bunbase.pkg.opaque import fingerprint
from tests.pkg.identity.pools import Pool, SampleHolder, two_pools

ADA, EMAIL = "usr_ada", "ada@example.com"
VERIFIER = "v" * 43
APP = "https://app.example/signed-in"


class SampleProvider:
    """A provider that returns the person in the code."""

    async def authorization_url(self, redirect_uri: str, secrets: Secrets) -> str:
        return f"https://provider.example/?state={secrets.state}"

    async def person(self, answer: ProviderAnswer, redirect_uri: str, secrets: Secrets) -> Person:
        return Person(answer.code, EMAIL, email_verified=True, name="Ada")

    async def close(self) -> None:
        """Close nothing."""


class SamplePeople:
    """`session`: the account of every session. `verified`: whether the addresses of accounts are verified."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.verified = True
        self.taken_over: list[str] = []

    async def existing(self, id: str) -> SampleHolder | None:
        return await self.pool.holders.locked(id)

    async def with_email(self, email: str) -> JoinedAccount | None:
        found = "SELECT id FROM accounts WHERE project = $1 AND email = $2"
        id: str | None = await self.pool.db.value(found, self.pool.holders.project, email)
        return None if id is None else JoinedAccount(id, self.verified)

    async def of_session(self, session: str) -> str | None:
        return session.removeprefix("session of ")

    async def locked(self, id: str) -> SampleHolder | None:
        return await self.pool.holders.locked(id)

    async def take_over(self, id: str) -> None:
        self.taken_over.append(id)


class Site:
    """The sign-ins at other services of one pool."""

    def __init__(self, pool: Pool, clock: ManualClock) -> None:
        self.pool = pool
        providers = {"sample": (ProviderSettings("client", title="Sample"), SampleProvider())}
        self.logins = ExternalLogins(pool.stores, providers, lambda name: f"/callback/{name}", str, "POST /link", clock)
        self.people = SamplePeople(pool)
        self.external = ExternalPeople(self.logins, self.people, pool.any_way_in, pool.checks.letters)
        self.events: list[tuple[str, CredentialEvent, str]] = []

    async def started(self, link: str = "") -> ExternalAnswer:
        redirect = await self.logins.start("sample", ExternalStart(APP, challenge_of(VERIFIER), link))
        return ExternalAnswer(parse_qs(urlsplit(redirect.url).query)["state"][0], redirect.browser, "subject-1")

    async def code(self, link: str = "") -> str:
        redirect = await self.logins.finish("sample", await self.started(link))
        return parse_qs(urlsplit(redirect.url).query)["code"][0]

    async def signed_in(self, link: str = "") -> SampleHolder:
        return await self.external.account(
            await self.logins.take(await self.code(link), VERIFIER), self.open, self.note
        )

    async def open(self, person: ExternalCode) -> str:
        await self.pool.holders.add(ADA, person.email)
        return ADA

    async def note(self, user: str, event: CredentialEvent, target: str) -> None:
        self.events.append((user, event, target))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest_asyncio.fixture
async def sites(database_url: str, clock: ManualClock) -> AsyncIterator[tuple[Site, Site]]:
    async with two_pools(database_url, clock) as (a, b):
        yield Site(a, clock), Site(b, clock)


async def test_a_sign_in_ends_in_the_pool_in_which_it_began(sites: tuple[Site, Site], clock: ManualClock) -> None:
    a, b = sites
    answer, code = await a.started(), await a.code()

    with pytest.raises(ExternalLoginExpired):
        await b.logins.finish("sample", answer)
    with pytest.raises(ExternalLoginExpired):
        await b.logins.take(code, VERIFIER)
    with pytest.raises(ExternalLoginExpired):
        await a.logins.take(await a.code(), "another verifier")

    assert await project_of_login(a.pool.db, fingerprint(answer.state), clock.now()) == "a"
    late = clock.now() + timedelta(minutes=11)
    assert await project_of_login(a.pool.db, fingerprint(answer.state), late) is None
    assert (await a.logins.take(code, VERIFIER)).subject == "subject-1"


async def test_the_same_person_has_an_account_in_each_pool(sites: tuple[Site, Site]) -> None:
    a, b = sites

    assert await a.signed_in() == await a.signed_in() == SampleHolder(ADA, EMAIL, 0)
    assert (await b.external.list(ADA)).items == ()
    await b.signed_in()
    (identity,) = (await a.external.list(ADA)).items
    with pytest.raises(IdentityNotFound):
        await b.external.remove(ADA, identity.id)
    assert await a.external.remove(ADA, identity.id, a.note) == "sample"

    linked, removed = CredentialEvent.IDENTITY_LINKED, CredentialEvent.IDENTITY_REMOVED
    assert a.events == [(ADA, linked, "sample"), (ADA, removed, "sample")]
    assert len((await b.external.list(ADA)).items) == 1


async def test_an_account_whose_address_was_never_verified_is_taken_over(sites: tuple[Site, Site]) -> None:
    site = sites[0]
    await site.pool.holders.add(ADA, EMAIL)
    await site.signed_in()
    assert site.people.taken_over == []

    (identity,) = (await site.external.list(ADA)).items
    await site.external.remove(ADA, identity.id)
    site.people.verified = False
    await site.signed_in()

    assert site.people.taken_over == [ADA]
    assert [event for _, event, _ in site.events] == [
        CredentialEvent.IDENTITY_LINKED,
        CredentialEvent.TAKEN_OVER,
        CredentialEvent.IDENTITY_LINKED,
    ]


async def test_a_ticket_links_a_person_to_the_account_of_its_session(sites: tuple[Site, Site]) -> None:
    site = sites[0]
    await site.pool.holders.add("usr_other", "other@example.com")
    ticket = await site.logins.ticket("sample", "session of usr_other")

    assert (await site.signed_in(ticket.ticket)).id == "usr_other"
    assert (await site.signed_in()).id == "usr_other"
    await site.pool.holders.add(ADA, EMAIL)
    again = await site.logins.ticket("sample", f"session of {ADA}")
    with pytest.raises(IdentityTaken):
        await site.signed_in(again.ticket)
