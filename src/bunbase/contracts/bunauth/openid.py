"""BunAuth as an OpenID Provider: clients, the pages on which people sign in to them, and the tokens that they get."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Protocol

import msgspec

from bunbase.contracts.bunauth.accounts import Account
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Problem
from bunbase.pkg.openid_provider.client_credentials import ClientCredentials

SIGN_IN_COOKIE: Final = "sign_in"  # the cookie of the sign-in page


class OAuthRefused(Problem):
    """A refused request of a client. `error` in `extra`: the code of RFC 6749 §5.2.

    `basic`: true if the answer must name the authentication scheme Basic.
    """

    status, code, title = 400, "oauth_refused", "The request of this client was refused"


class ClientMistaken(Problem):
    """A request whose client or redirect URI is not valid.

    The page shows the error to the person, because BunBase must not send the browser to a URL that it has not checked.
    """

    status, code, title = 400, "client_mistaken", "This application has sent a request that is not valid"


class AuthorizationExpired(Problem):
    status, code, title = 400, "authorization_expired", "This sign-in is over, or it began in another browser"


class OAuthClientNotFound(Problem):
    status, code, title = 404, "oauth_client_not_found", "This installation has no such client"


class AuthorizationNotFound(Problem):
    status, code, title = 404, "authorization_not_found", "You have no such authorization"


class ClientKind(StrEnum):
    PUBLIC = "public"  # a page, or a program on the person's machine; such a client cannot keep a secret
    CONFIDENTIAL = "confidential"  # a server; such a client has a secret


SCOPES: Final = ("openid", "profile", "email", "offline_access")
MAX_CLIENTS: Final = 200


class NewOAuthClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`first_party`: true if the client belongs to the operator.

    Then BunAuth does not ask people for consent, and the tokens of the client can do everything that the person can do.
    """

    name: str
    redirect_uris: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=20)]
    kind: ClientKind = ClientKind.PUBLIC
    first_party: bool = False


class OAuthClient(msgspec.Struct, frozen=True, omit_defaults=True):
    """`client_secret`: present only in the answer to the request that made the secret. `rotated_at`: the time at which
    the present secret was made.
    """

    id: str
    name: str
    kind: ClientKind
    redirect_uris: tuple[str, ...]
    created_at: datetime
    first_party: bool = msgspec.field(default_factory=bool)
    rotated_at: datetime | None = None
    client_secret: str | None = None


class OAuthClients(msgspec.Struct, frozen=True):
    """An installation has at most 200 clients, so the list is a single page."""

    items: tuple[OAuthClient, ...]
    next: str | None = None


class Authorization(msgspec.Struct, frozen=True):
    """A client to which a person has allowed the sign-in.

    `last_used_at`: the time of the last sign-in by the client.
    """

    id: str
    client_id: str
    client: str
    first_party: bool
    scopes: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime


class Authorizations(msgspec.Struct, frozen=True):
    """An account has at most one authorization for each client, so the list is a single page."""

    items: tuple[Authorization, ...]
    next: str | None = None


class PageKind(StrEnum):
    REDIRECT = "redirect"  # send the browser to the client, at `location`
    CONTINUE = "continue"  # send the browser to the page of the stored request
    SIGN_IN = "sign_in"
    SECOND_FACTOR = "second_factor"
    CONSENT = "consent"


class PageStep(msgspec.Struct, frozen=True):
    """The next page or redirect for the browser of a person.

    `request`: the stored authorization request. `browser`: the new value of the cookie; "" if the value stays the same.
    `form_target`: the client's origin, to which a form may lead. `email`: the address of the person, or the hint of the
    client. `local`: true if a program on the person's machine gets the code. `error`: the reason why a form is shown
    again.
    """

    kind: PageKind
    location: str = ""
    request: str = ""
    browser: str = ""
    client: str = ""
    client_id: str = ""
    first_party: bool = False
    local: bool = False
    form_target: str = ""
    scopes: tuple[str, ...] = ()
    email: str = ""
    challenge: str = ""
    error: str = ""
    status: int = 200


class PageSession(msgspec.Struct, frozen=True):
    """The person who is signed in on the page, and the session of the page."""

    account: Account
    session: str


class OAuthTokens(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of the token endpoint (RFC 6749 §5.1).

    `refresh_token`: present only with the scope `offline_access`.
    """

    access_token: str
    expires_in: int
    scope: str
    id_token: str
    refresh_token: str = ""
    token_type: str = msgspec.field(default_factory=lambda: "Bearer")


class UserInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """Claims about a person (OpenID Connect Core 1.0 §5.1). The scopes of the token decide which claims are present."""

    sub: str
    name: str | None = None
    picture: str | None = None
    email: str | None = None
    email_verified: bool | None = None


class Introspection(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of RFC 7662 §2.2. For an invalid token, or a token of another client, it has only `active`."""

    active: bool = msgspec.field(default_factory=bool)
    scope: str = ""
    client_id: str = ""
    sub: str = ""
    iss: str = ""
    token_type: str = ""
    exp: int = 0
    iat: int = 0


class OpenIdProvider(Protocol):
    async def oauth_authorize(self, caller: Caller, sent: dict[str, str], browser: str) -> PageStep:
        """Begin an authorization request (RFC 6749 §4.1.1). `browser`: the value of the cookie.

        Raises: ClientMistaken.
        """
        ...

    async def oauth_page(self, caller: Caller, request: str, browser: str) -> PageStep:
        """Return the next step of a stored request. Raises: AuthorizationExpired."""
        ...

    async def oauth_sign_in(self, caller: Caller, request: str, browser: str, email: str, password: str) -> PageStep:
        """Sign a person in on the page. Raises: AuthorizationExpired, AccountSuspended, InvalidCredentials."""
        ...

    async def oauth_second_factor(
        self, caller: Caller, request: str, browser: str, challenge: str, code: str
    ) -> PageStep:
        """Sign a person in on the page with the second factor. Raises: AuthorizationExpired, AccountSuspended,
        RateLimited.
        """
        ...

    async def oauth_continue(self, caller: Caller, request: str, browser: str, cookie: str) -> PageStep:
        """Sign a person in on the page with a pass (`page_sign_in.py`). Raises: AuthorizationExpired,
        AccountSuspended.
        """
        ...

    async def oauth_allow(self, caller: Caller, request: str, client: str) -> PageStep:
        """Send a code to the client, and remember the consent. `caller`: the person of the cookie.

        Raises: AuthorizationExpired.
        """
        ...

    async def oauth_deny(self, request: str, browser: str) -> PageStep:
        """Inform the client that the person refuses. Raises: AuthorizationExpired."""
        ...

    async def oauth_sign_out(self, request: str, browser: str) -> PageStep:
        """End the sign-in of the page, so that another person can sign in. Raises: AuthorizationExpired."""
        ...

    async def page_session(self, browser: str) -> PageSession | None:
        """Return the session of the sign-in page, or None if nobody is signed in there.

        `browser`: the value of the page's cookie.
        """
        ...

    async def oauth_token(self, caller: Caller, client: ClientCredentials, sent: dict[str, str]) -> OAuthTokens:
        """Exchange a code or a refresh token. Raises: OAuthRefused."""
        ...

    async def oauth_userinfo(self, token: str) -> UserInfo:
        """Raises: InvalidToken."""
        ...

    async def oauth_revoke(self, caller: Caller, client: ClientCredentials, token: str) -> None:
        """End a token and all tokens that belong to it (RFC 7009). An unknown token is not an error. Raises:
        OAuthRefused.
        """
        ...

    async def oauth_introspect(self, client: ClientCredentials, token: str) -> Introspection:
        """Describe a token of a confidential client to this client (RFC 7662). Raises: OAuthRefused."""
        ...

    async def oauth_clients(self, caller: Caller) -> OAuthClients:
        """Return all clients, newest first. Only administrators may call this method. Raises: Forbidden."""
        ...

    async def create_oauth_client(self, caller: Caller, new: NewOAuthClient) -> OAuthClient:
        """Raises: InvalidInput, ReauthenticationRequired, Forbidden."""
        ...

    async def rotate_oauth_client(self, caller: Caller, id: str) -> OAuthClient:
        """Replace the secret. The old secret ends at once.

        Raises: OAuthClientNotFound, InvalidInput for a public client, ReauthenticationRequired, Forbidden.
        """
        ...

    async def delete_oauth_client(self, caller: Caller, id: str) -> None:
        """Delete a client with all its sessions. Raises: OAuthClientNotFound, ReauthenticationRequired, Forbidden."""
        ...

    async def authorizations(self, caller: Caller) -> Authorizations:
        """Return the clients that the caller has allowed, newest first. Raises: Forbidden."""
        ...

    async def delete_authorization(self, caller: Caller, id: str) -> None:
        """End all sessions of a client at the caller's account. The client must then request consent again.

        Raises: AuthorizationNotFound, Forbidden.
        """
        ...
