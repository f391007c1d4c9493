"""The sessions of end users, and the answer to a sign-in."""

from __future__ import annotations

from datetime import datetime

import msgspec

from bunbase.contracts.tenant_auth.users import User


class UserSignedIn(msgspec.Struct, frozen=True):
    """`expires_in`: seconds until the access token expires. `aal`: the number of factors that the session has checked.
    `amr`: the checks of the session, by their names in RFC 8176.
    """

    user: User
    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"
    aal: int = 1
    amr: tuple[str, ...] = ()


class UserSession(msgspec.Struct, frozen=True):
    """A valid session. `ip`, `agent`: the IP address and the User-Agent header of the sign-in.

    `last_used_at`: the time of the last refresh. `aal`: the number of factors that the session has checked.
    `provider`: the way in which the user signed in, such as `password`, `passkey`, or the name of another service.
    `impersonated_by`: the id of the developer or key that uses the app as this user; None if the user uses it.
    """

    id: str
    ip: str
    agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    aal: int
    provider: str
    impersonated_by: str | None


class UserSessions(msgspec.Struct, frozen=True):
    items: tuple[UserSession, ...]
    next: str | None = None


class OwnSession(UserSession, frozen=True):
    """A session as its own user sees it. `current`: true if the request belongs to this session."""

    current: bool


class OwnSessions(msgspec.Struct, frozen=True):
    items: tuple[OwnSession, ...]
    next: str | None = None


class CustomToken(msgspec.Struct, frozen=True):
    """`expires_in`: the lifetime of the token in seconds."""

    token: str
    expires_in: int
