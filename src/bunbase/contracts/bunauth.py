"""BunAuth: accounts of the developers who use the platform."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.revocations import Revocation
from bunbase.pkg.errors import Problem


class InvalidCredentials(Problem):
    status, code, title = 401, "invalid_credentials", "Email or password is wrong"


class InvalidToken(Problem):
    status, code, title = 401, "invalid_token", "This token is not valid; sign in again"


class TokenExpired(Problem):
    status, code, title = 401, "token_expired", "This token has expired; refresh it or sign in again"


class TokenReused(Problem):
    status, code, title = (
        401,
        "token_reused",
        "This refresh token was used before; its session has been ended",
    )


class EmailTaken(Problem):
    status, code, title = 409, "email_taken", "An account with this email exists"


class SignupsClosed(Problem):
    status, code, title = 403, "signups_closed", "This installation does not take new accounts"


class SetupTokenRequired(Problem):
    status, code, title = 403, "setup_token_required", "The first account needs the setup token"


class TokenNotFound(Problem):
    status, code, title = 404, "token_not_found", "You have no such personal access token"


class ServiceExchangeOff(Problem):
    status, code, title = 404, "service_exchange_off", "This installation does not trade secrets for service tokens"


class Account(msgspec.Struct, frozen=True):
    """`role`: "admin" for the instance's administrators, else "user"."""

    id: str
    email: str
    name: str
    role: str
    created_at: datetime


class SignedIn(msgspec.Struct, frozen=True):
    """`expires_in`: seconds until the access token expires."""

    user: Account
    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"


class Verified(msgspec.Struct, frozen=True):
    """`claims`: claims of the access token, or of a personal access token under the same names; empty if it is not
    valid.
    """

    valid: bool
    claims: dict[str, Any] = {}


class PersonalToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """`token` (`bpt_…`) is present only in the answer of its creation."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    token: str | None = None


class PersonalTokens(msgspec.Struct, frozen=True):
    items: tuple[PersonalToken, ...]
    next: str | None = None


class ServiceToken(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int
    token_type: str = "Bearer"


class Jwks(msgspec.Struct, frozen=True):
    """A JWK set (RFC 7517 §5)."""

    keys: tuple[dict[str, str], ...]


class Discovery(msgspec.Struct, frozen=True):
    """Everything that others need to check access tokens (OpenID Connect Discovery 1.0 §3); there is no authorization
    endpoint.
    """

    issuer: str
    jwks_uri: str
    response_types_supported: tuple[str, ...] = ()
    subject_types_supported: tuple[str, ...] = ("public",)
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    claims_supported: tuple[str, ...] = ("iss", "sub", "aud", "iat", "exp", "jti", "sid", "type", "role", "email")


class SignupState(msgspec.Struct, frozen=True):
    """`signups`: "open", "invite" or "closed"; `setup_complete`: an administrator exists."""

    signups: str
    setup_complete: bool


class BunAuth(Protocol):
    async def register(self, caller: Caller, email: str, password: str, name: str, setup_token: str = "") -> SignedIn:
        """Create an account. The first one becomes the administrator of the instance and needs the setup token in
        production.

        Raises: SetupTokenRequired, EmailTaken, SignupsClosed, InvalidInput.
        """
        ...

    async def login(self, caller: Caller, email: str, password: str) -> SignedIn:
        """Raises: InvalidCredentials, in the same words and time for a wrong password and an unknown email."""
        ...

    async def refresh(self, caller: Caller, refresh_token: str) -> SignedIn:
        """Exchange a refresh token for a new pair; the old token becomes invalid at once.

        A retry within `reuse_grace_seconds` gets the same pair; later reuse ends the session (RFC 9700 §4.14.2).
        Raises: InvalidToken, TokenExpired, TokenReused.
        """
        ...

    async def logout(self, caller: Caller) -> None:
        """End the caller's session; its access token stops working within a second everywhere."""
        ...

    async def me(self, caller: Caller) -> Account: ...

    async def verify(self, token: str) -> Verified:
        """Check an access token or a personal access token, revocation included."""
        ...

    async def jwks(self) -> Jwks: ...

    async def discovery(self) -> Discovery: ...

    async def create_token(
        self, caller: Caller, name: str, scopes: tuple[str, ...], expires_in_seconds: int | None
    ) -> PersonalToken:
        """Create a personal access token; this needs a signed-in session. `scopes`: of "read", "write" and "secrets".

        Raises: InvalidInput, Forbidden.
        """
        ...

    async def tokens(self, caller: Caller) -> PersonalTokens:
        """Return the caller's personal access tokens, newest first; an account has at most 100."""
        ...

    async def delete_token(self, caller: Caller, id: str) -> None:
        """Raises: TokenNotFound."""
        ...

    async def exchange(self, client_id: str, client_secret: str) -> ServiceToken:
        """Exchange the secret of an external program for a short-lived token with which it may call `verify` and `jwks`
        at the internal port of this room.

        Raises: ServiceExchangeOff, InvalidCredentials.
        """
        ...

    async def knows_address(self, email: str, ip: str) -> bool:
        """Return whether the account with this email signed in from the neighbourhood of `ip` in a session that
        stands, or that ended less than a day ago. Used for limits on sign-ins only; no caller ever sees it."""
        ...

    async def signup_state(self) -> SignupState: ...

    def revocations(self) -> AsyncIterator[Revocation]:
        """Yield every ended session and deleted token that could still be in use, then READY, then new ones."""
        ...
