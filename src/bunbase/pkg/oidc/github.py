"""A client of GitHub, which supports OAuth 2.0 but not OpenID Connect, so the person comes from two requests to its
API.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from bunbase.pkg.oidc.documents import decode_json, fetch_json, fetch_more
from bunbase.pkg.oidc.openid import DEADLINE_SECONDS, FORM, post_form, printable, with_query
from bunbase.pkg.oidc.person import Person, ProviderAnswer, ProviderFailed, ProviderRefused, Secrets
from bunbase.pkg.oidc.settings import GITHUB_API_URL, GITHUB_URL, ProviderSettings
from bunbase.pkg.outgoing import Outgoing

SCOPES: Final = ("read:user", "user:email")


class GitHubToken(msgspec.Struct, frozen=True):
    """The answer of GitHub. Errors have the status 200 too."""

    access_token: str | None = None
    error: str | None = None


class User(msgspec.Struct, frozen=True):
    id: int
    login: str
    name: str | None = None


class Address(msgspec.Struct, frozen=True):
    email: str
    primary: bool = False
    verified: bool = False


class GitHub:
    """`outgoing`: the client for requests. None makes a client that trusts the hosts of the settings."""

    def __init__(self, settings: ProviderSettings, outgoing: Outgoing | None = None) -> None:
        self.settings = settings
        self.url = settings.issuer.rstrip("/") or GITHUB_URL
        self.api_url = f"{self.url}/api/v3" if settings.issuer else GITHUB_API_URL
        trusted = [urlsplit(settings.issuer).hostname or ""] if settings.issuer else []
        self.outgoing = outgoing or Outgoing((*trusted, *settings.hosts), DEADLINE_SECONDS)

    async def authorization_url(self, redirect_uri: str, secrets: Secrets) -> str:
        asked = {
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.settings.scopes or SCOPES),
            "state": secrets.state,
            "code_challenge": secrets.challenge,
            "code_challenge_method": "S256",
        }
        return with_query(f"{self.url}/login/oauth/authorize", asked)

    async def person(self, answer: ProviderAnswer, redirect_uri: str, secrets: Secrets) -> Person:
        """Return the person that has signed in. Raises: ProviderFailed, ProviderRefused."""
        if answer.error or not answer.code:
            raise ProviderRefused(answer.error or "no code")
        token = await self._access_token(answer.code, redirect_uri, secrets)
        headers = {"authorization": f"Bearer {token}"}
        user = await fetch_json(self.outgoing, f"{self.api_url}/user", User, headers)
        # By default, a page has 30 addresses, and the primary address may be on the next page. An app may lack the
        # permission to read addresses.
        url = f"{self.api_url}/user/emails?per_page=100"
        addresses = await fetch_more(self.outgoing, url, tuple[Address, ...], headers)
        primary = next((one for one in addresses or () if one.primary), None)
        email, verified = (primary.email, primary.verified) if primary else (None, False)
        return Person(str(user.id), email, verified, printable(user.name or user.login))

    async def close(self) -> None:
        await self.outgoing.close()

    async def _access_token(self, code: str, redirect_uri: str, secrets: Secrets) -> str:
        form = {
            "client_id": self.settings.client_id,
            "client_secret": self.settings.client_secret,
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": secrets.verifier,
        }
        url, headers = f"{self.url}/login/oauth/access_token", {"accept": "application/json", "content-type": FORM}
        found = decode_json(url, *await post_form(self.outgoing, url, form, headers), GitHubToken)
        if found.error == "bad_verification_code":
            raise ProviderRefused("invalid_grant")
        if not found.access_token:
            raise ProviderFailed(f"{url} gave no token: {str(found.error)[:100]!r}")
        return found.access_token
