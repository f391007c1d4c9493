"""A fake sign-in provider that returns the person chosen by the test, and the steps of a client."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

from bunbase.bunauth.service import BunAuthService
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.identities import CodeExchange, ExternalAnswer, ExternalStart
from bunbase.pkg.oidc.person import Person, ProviderAnswer, ProviderFailed, ProviderRefused, Secrets, challenge_of
from tests.rooms import ANYONE

VERIFIER = "v" * 43
REDIRECT = "http://127.0.0.1:7070/account/signed-in"
NAME = "example"


class FakeProvider:
    """`person_there`: the person that `person` returns. `fails`: the error that `person` raises instead."""

    def __init__(self) -> None:
        self.person_there = Person("sub-ada", "ada@example.com", True, "Ada")
        self.fails: ProviderFailed | ProviderRefused | None = None

    async def authorization_url(self, redirect_uri: str, secrets: Secrets) -> str:
        asked = {"redirect_uri": redirect_uri, "state": secrets.state, "nonce": secrets.nonce}
        return "https://idp.example/authorize?" + urlencode(asked | {"challenge": secrets.challenge})

    async def person(self, answer: ProviderAnswer, redirect_uri: str, secrets: Secrets) -> Person:
        if self.fails is not None:
            raise self.fails
        if answer.error:
            raise ProviderRefused(answer.error)
        return self.person_there

    async def close(self) -> None: ...


async def started(bunauth: BunAuthService, link: str = "", browser: str = "") -> tuple[str, str]:
    """Start a sign-in. Return the state and the secret of the browser."""
    start = ExternalStart(REDIRECT, challenge_of(VERIFIER), link, browser)
    redirect = await bunauth.start_external_login(NAME, start)
    return parameters(redirect.url)["state"], redirect.browser


async def code_of(bunauth: BunAuthService, link: str = "") -> str:
    """Sign in at the provider. Return the code that the client gets."""
    state, browser = await started(bunauth, link)
    finished = await bunauth.finish_external_login(NAME, ExternalAnswer(state, browser, "code"))
    return parameters(finished.url)["code"]


async def signed_in(bunauth: BunAuthService, link: str = "", invite: str = "") -> SignedIn:
    code = await code_of(bunauth, link)
    return await bunauth.exchange_code(ANYONE, CodeExchange(code, VERIFIER, invite))


def parameters(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
