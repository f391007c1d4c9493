"""A client of Discord. Discord supports only OAuth 2.0, so the person comes from a request to its API."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from bunbase.pkg.oidc.documents import decode_json, fetch_json
from bunbase.pkg.oidc.openid import DEADLINE_SECONDS, FORM, post_form, printable, with_query
from bunbase.pkg.oidc.person import MAX_SUBJECT_LENGTH, Person, ProviderAnswer, ProviderFailed, ProviderRefused, Secrets
from bunbase.pkg.oidc.settings import DISCORD_URL, ProviderSettings
from bunbase.pkg.outgoing import Outgoing

SCOPES: Final = ("identify", "email")


class DiscordToken(msgspec.Struct, frozen=True):
    access_token: str | None = None


class DiscordUser(msgspec.Struct, frozen=True):
    """A user, as Discord describes it. `verified`: true if the user has confirmed the address at Discord."""

    id: str
    username: str
    global_name: str | None = None
    email: str | None = None
    verified: bool | None = False


class Discord:
    """`outgoing`: the client for requests. None makes a client that trusts the hosts of the settings."""

    def __init__(self, settings: ProviderSettings, outgoing: Outgoing | None = None) -> None:
        self.settings = settings
        self.url = settings.issuer.rstrip("/") or DISCORD_URL
        trusted = [urlsplit(settings.issuer).hostname or ""] if settings.issuer else []
        self.outgoing = outgoing or Outgoing((*trusted, *settings.hosts), DEADLINE_SECONDS)

    async def authorization_url(self, redirect_uri: str, secrets: Secrets) -> str:
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.settings.scopes or SCOPES),
            "state": secrets.state,
            "code_challenge": secrets.challenge,
            "code_challenge_method": "S256",
        }
        return with_query(f"{self.url}/oauth2/authorize", asked)

    async def person(self, answer: ProviderAnswer, redirect_uri: str, secrets: Secrets) -> Person:
        """Return the person that has signed in. Raises: ProviderFailed, ProviderRefused."""
        if answer.error or not answer.code:
            raise ProviderRefused(answer.error or "no code")
        token = await self._access_token(answer.code, redirect_uri, secrets)
        headers = {"authorization": f"Bearer {token}"}
        user = await fetch_json(self.outgoing, f"{self.url}/api/users/@me", DiscordUser, headers)
        if not 0 < len(user.id) <= MAX_SUBJECT_LENGTH or "\0" in user.id:
            raise ProviderFailed("Discord names no user")
        return Person(
            user.id,
            user.email,
            user.verified is True and user.email is not None,
            printable(user.global_name or user.username),
        )

    async def close(self) -> None:
        await self.outgoing.close()

    async def _access_token(self, code: str, redirect_uri: str, secrets: Secrets) -> str:
        form = {
            "grant_type": "authorization_code",
            "client_id": self.settings.client_id,
            "client_secret": self.settings.client_secret,
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": secrets.verifier,
        }
        url, headers = f"{self.url}/api/oauth2/token", {"accept": "application/json", "content-type": FORM}
        found = decode_json(url, *await post_form(self.outgoing, url, form, headers), DiscordToken)
        if not found.access_token:
            raise ProviderFailed(f"{url} gave no token")
        return found.access_token
