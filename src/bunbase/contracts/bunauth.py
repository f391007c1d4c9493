"""BunAuth: accounts of the developers who use the platform."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.revocations import Revocation
from bunbase.pkg.errors import Problem
from bunbase.pkg.mail.letters import DevMail


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
        "This refresh token was used before, so its session has ended",
    )


class EmailTaken(Problem):
    status, code, title = 409, "email_taken", "An account with this email exists already"


class SignupsClosed(Problem):
    status, code, title = 403, "signups_closed", "This installation does not accept new accounts"


class SetupTokenRequired(Problem):
    status, code, title = 403, "setup_token_required", "The first account needs the setup token"


class TokenNotFound(Problem):
    status, code, title = 404, "token_not_found", "You have no such personal access token"


class ServiceExchangeOff(Problem):
    status, code, title = 404, "service_exchange_off", "This installation does not issue service tokens"


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
    """The result of `verify`. `claims`: the claims of the token; those of a personal access token have the same names
    as those of an access token. `claims` is empty if the token is not valid.
    """

    valid: bool
    claims: dict[str, Any] = {}


class PersonalToken(msgspec.Struct, frozen=True, omit_defaults=True):
    """`token` (`bpt_…`): present only in the answer to the request that created the token."""

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
    """The metadata that other programs need to check access tokens (OpenID Connect Discovery 1.0 §3).

    There is no authorization endpoint.
    """

    issuer: str
    jwks_uri: str
    response_types_supported: tuple[str, ...] = ()
    subject_types_supported: tuple[str, ...] = ("public",)
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    claims_supported: tuple[str, ...] = ("iss", "sub", "aud", "iat", "exp", "jti", "sid", "type", "role", "email")


class SignupState(msgspec.Struct, frozen=True):
    """`signups`: "open", "invite" or "closed"; `setup_complete`: true if an administrator exists."""

    signups: str
    setup_complete: bool


class BunAuth(Protocol):
    async def register(self, caller: Caller, email: str, password: str, name: str, setup_token: str = "") -> SignedIn:
        """Create an account. The first account becomes the administrator of the instance; in production, its creation
        needs the setup token.

        Raises: SetupTokenRequired, EmailTaken, SignupsClosed, InvalidInput.
        """
        ...

    async def login(self, caller: Caller, email: str, password: str) -> SignedIn:
        """Sign in. Raises: InvalidCredentials.

        A wrong password and an unknown email get the same answer in the same time.
        """
        ...

    async def refresh(self, caller: Caller, refresh_token: str) -> SignedIn:
        """Exchange a refresh token for a new pair; the old token becomes invalid at once.

        A retry within `reuse_grace_seconds` returns the same pair; later reuse ends the session (RFC 9700 §4.14.2).
        Raises: InvalidToken, TokenExpired, TokenReused.
        """
        ...

    async def logout(self, caller: Caller) -> None:
        """End the caller's session; within a second, every process refuses its access token."""
        ...

    async def me(self, caller: Caller) -> Account: ...

    async def verify(self, token: str) -> Verified:
        """Check an access token or a personal access token, including its revocation."""
        ...

    async def jwks(self) -> Jwks: ...

    async def discovery(self) -> Discovery: ...

    async def create_token(
        self, caller: Caller, name: str, scopes: tuple[str, ...], expires_in_seconds: int | None
    ) -> PersonalToken:
        """Create a personal access token. The caller needs a session. `scopes`: any of "read", "write" and "secrets".

        Raises: InvalidInput, Forbidden.
        """
        ...

    async def tokens(self, caller: Caller) -> PersonalTokens:
        """Return the caller's personal access tokens, newest first. An account has at most 100 tokens."""
        ...

    async def delete_token(self, caller: Caller, id: str) -> None:
        """Raises: TokenNotFound."""
        ...

    async def exchange(self, client_id: str, client_secret: str) -> ServiceToken:
        """Exchange the secret of an external program for a short-lived token. With this token, the program may call
        `verify` and `jwks` at the internal port of BunAuth.

        Raises: ServiceExchangeOff, InvalidCredentials.
        """
        ...

    async def knows_address(self, email: str, ip: str) -> bool:
        """True if a session of the account with this email began in the network of `ip`, and is still valid or ended
        less than a day ago. Only the limits on sign-ins use this; no caller sees the result."""
        ...

    async def accounts(self, ids: tuple[str, ...]) -> tuple[Account, ...]:
        """Return the accounts with these ids, in any order; missing ones were deleted. At most 500 ids."""
        ...

    async def signup_state(self) -> SignupState: ...

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        """Return the mails of this room in the mailbox of dev mode, newest first. In production, there are none.

        `before`: return only mails with a smaller id, which are older. `to`, `project` and `before` may be empty.
        """
        ...

    def revocations(self) -> AsyncIterator[Revocation]:
        """Yield all earlier revocations of sessions and tokens that have not expired, then READY, then each new one."""
        ...
