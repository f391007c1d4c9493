"""A client of an OpenID Connect provider: authorization code with PKCE, state and nonce."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from bunbase.pkg.oidc.documents import Documents, Metadata, decode_json, fetch_more
from bunbase.pkg.oidc.id_tokens import Expected, checked_claims
from bunbase.pkg.oidc.person import Person, ProviderAnswer, ProviderFailed, ProviderRefused, Secrets
from bunbase.pkg.oidc.settings import ProviderSettings
from bunbase.pkg.outgoing import Outgoing, RequestFailed

DEADLINE_SECONDS: Final = 10.0
SCOPES: Final = ("openid", "email", "profile")
FORM: Final = "application/x-www-form-urlencoded"
MAX_EMAIL_LENGTH: Final = 320
MAX_NAME_LENGTH: Final = 100
MAX_READ: Final = 1000  # A name is read up to this many characters. The rest is ignored.


class TokenAnswer(msgspec.Struct, frozen=True):
    """The answer of the token endpoint. Some providers send null for a missing member."""

    id_token: str | None = None
    access_token: str | None = None


class TokenError(msgspec.Struct, frozen=True):
    error: str = ""


class Dialect(msgspec.Struct, frozen=True):
    """The differences of a service from the standard. `asked`: further parameters of the authorization URL.
    `scopes`: the default scopes.

    `issuer`: the issuer in the metadata, if it is not the URL in the settings. `secret`: a function that makes the
    client secret. `person`: a function that reads the claims.
    """

    asked: dict[str, str] = {}
    scopes: tuple[str, ...] = SCOPES
    issuer: str = ""
    secret: Callable[[], str] | None = None
    person: Callable[[dict[str, Any]], Person] | None = None


STANDARD: Final = Dialect()


class OpenIdProvider:
    """A client of one provider. `now`: a clock that returns Unix seconds. `outgoing`: the client for requests. None
    makes a client that trusts the hosts of the settings.
    """

    def __init__(
        self,
        settings: ProviderSettings,
        now: Callable[[], float],
        outgoing: Outgoing | None = None,
        dialect: Dialect = STANDARD,
    ) -> None:
        self.settings = settings
        self.now = now
        self.dialect = dialect
        host = urlsplit(settings.issuer).hostname or ""
        self.outgoing = outgoing or Outgoing((host, *settings.hosts), DEADLINE_SECONDS)
        self.documents = Documents(settings.issuer, self.outgoing, now, dialect.issuer)

    async def authorization_url(self, redirect_uri: str, secrets: Secrets) -> str:
        """Return the URL to which the browser goes. Raises: ProviderFailed."""
        metadata = await self.documents.metadata()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(dict.fromkeys(("openid", *(self.settings.scopes or self.dialect.scopes)))),
            "state": secrets.state,
            "nonce": secrets.nonce,
            "code_challenge": secrets.challenge,
            "code_challenge_method": "S256",
            **self.dialect.asked,
        }
        return with_query(checked_page(metadata.authorization_endpoint), asked)

    async def person(self, answer: ProviderAnswer, redirect_uri: str, secrets: Secrets) -> Person:
        """Return the person that has signed in. Raises: ProviderFailed, ProviderRefused."""
        metadata = await self.documents.metadata()
        self._check_issuer(answer, metadata)
        if answer.error or not answer.code:
            raise ProviderRefused(answer.error or "no code")
        tokens = await self._tokens(answer.code, redirect_uri, secrets, metadata)
        expected = Expected(metadata.issuer, self.settings.client_id, secrets.nonce, self.now())
        claims = await checked_claims(tokens.id_token or "", self.documents, expected)
        if "email" not in claims and metadata.userinfo_endpoint and tokens.access_token:
            claims = await self._with_userinfo(claims, metadata.userinfo_endpoint, tokens.access_token)
        return (self.dialect.person or person_of)(claims)

    async def close(self) -> None:
        await self.outgoing.close()

    def _check_issuer(self, answer: ProviderAnswer, metadata: Metadata) -> None:
        """Compare the issuer of the answer (RFC 9207), because another provider may have sent it. Raises:
        ProviderFailed.
        """
        needed = metadata.authorization_response_iss_parameter_supported
        if (answer.iss or needed) and not hmac.compare_digest(answer.iss.encode(), metadata.issuer.encode()):
            raise ProviderFailed("the answer comes from another issuer")

    async def _tokens(self, code: str, redirect_uri: str, secrets: Secrets, metadata: Metadata) -> TokenAnswer:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": secrets.verifier,
            "client_id": self.settings.client_id,
        }
        headers = {"accept": "application/json", "content-type": FORM}
        secret = self.dialect.secret() if self.dialect.secret else self.settings.client_secret
        if secret and metadata.has_basic_authentication:
            headers["authorization"] = _basic(self.settings.client_id, secret)
        elif secret:
            form["client_secret"] = secret
        url = metadata.token_endpoint
        return decode_json(url, *await post_form(self.outgoing, url, form, headers), TokenAnswer)

    async def _with_userinfo(self, claims: dict[str, Any], url: str, access_token: str) -> dict[str, Any]:
        """Return the claims together with those of the userinfo endpoint, which must be about the same person (§5.3.2).

        If the endpoint fails, return only the given claims: a person who has signed in before needs no address.
        """
        bearer = {"authorization": f"Bearer {access_token}"}
        info = await fetch_more(self.outgoing, url, dict[str, Any], bearer)
        if info is None:
            return claims
        if info.get("sub") != claims["sub"]:
            raise ProviderFailed("the userinfo is about another person than the ID token")
        return info | claims


def person_of(claims: dict[str, Any]) -> Person:
    """Return the person that claims describe. An address is verified only if the provider says `true`."""
    email, name = claims.get("email"), claims.get("name")
    known = isinstance(email, str) and 0 < len(email) <= MAX_EMAIL_LENGTH
    verified = claims.get("email_verified")
    return Person(
        claims["sub"],
        str(email) if known else None,
        known and (verified is True or verified == "true"),  # Amazon Cognito and Apple send a text.
        printable(name),
    )


def printable(text: Any) -> str:
    """Return the text as a name that can be shown, or an empty text."""
    sent = text[:MAX_READ] if isinstance(text, str) else ""
    kept = "".join(one for one in sent if one.isprintable())
    return kept.strip()[:MAX_NAME_LENGTH]


async def post_form(outgoing: Outgoing, url: str, form: dict[str, str], headers: dict[str, str]) -> tuple[int, bytes]:
    """Send a form, and return status and body.

    Raises: ProviderFailed; ProviderRefused if the code is used up or wrong."""
    try:
        answer = await outgoing.post(url, headers, urlencode(form).encode())
    except RequestFailed as error:
        raise ProviderFailed(str(error)) from None
    if answer.status in (400, 401):
        refused = _error_in(answer.body)
        if refused == "invalid_grant":
            raise ProviderRefused(refused)
        raise ProviderFailed(f"{url} answered {answer.status}: {refused!r}; check client_id and client_secret")
    return answer.status, answer.body


def _error_in(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=TokenError).error[:100]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def with_query(url: str, query: dict[str, str]) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}"


def checked_page(url: str) -> str:
    """Return a URL to which a browser may be sent. Raises: ProviderFailed."""
    if not url.startswith(("https://", "http://")) or not url.isascii() or not url.isprintable() or " " in url:
        raise ProviderFailed("the authorization endpoint is not a URL")
    return url


def _basic(client_id: str, secret: str) -> str:
    """Return the header of RFC 6749 §2.3.1: both parts are encoded as in a form before they are joined."""
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
