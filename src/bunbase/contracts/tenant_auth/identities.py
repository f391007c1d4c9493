"""Sign-in of end users by another service, and the identities of a user.

`pkg/identity` defines parts of the contract.
"""

from __future__ import annotations

from typing import Annotated, Final, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.sessions import UserSignedIn
from bunbase.pkg.identity.external import (
    ExternalAnswer,
    ExternalRedirect,
    ExternalStart,
    Identities,
    LinkTicket,
    LoginProviders,
)

PROVIDER_NAME: Final = "^[a-z0-9][a-z0-9-]{0,31}$"


class UserCodeExchange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`verifier`: the verifier of the PKCE challenge that the app sent at the start."""

    code: str
    verifier: str


class UserLink(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`provider`: the service to link to the user."""

    provider: Annotated[str, msgspec.Meta(pattern=PROVIDER_NAME)]


class UserIdentities(Protocol):
    async def user_login_providers(self, caller: Caller) -> LoginProviders:
        """Return the services by which the users of the caller's project may sign in."""
        ...

    async def start_user_login(self, caller: Caller, provider: str, start: ExternalStart) -> ExternalRedirect:
        """Return the URL of the service to which the browser goes, and the secret for the browser's cookie.

        Raises: ProviderNotFound, ProviderUnavailable, InvalidInput, LinkExpired.
        """
        ...

    async def finish_user_login(self, provider: str, answer: ExternalAnswer) -> ExternalRedirect:
        """Handle the answer of a service.

        The answer names no project; the sign-in continues in the project in which it began. Return the URL of the app
        to which the browser goes, with a code or an error. Raises: ExternalLoginExpired.
        """
        ...

    async def exchange_user_code(self, caller: Caller, exchange: UserCodeExchange) -> UserSignedIn:
        """Trade a code for a session. An anonymous user who is signed in keeps the id, and gets the identity.

        Raises: ExternalLoginExpired, ExternalEmailNotVerified, IdentityTaken, EmailTaken, SignupsClosed, TooManyUsers,
        UserBanned, SecondFactorRequired.
        """
        ...

    async def create_user_link_ticket(self, caller: Caller, provider: str) -> LinkTicket:
        """Return a ticket that links an identity to the signed-in user.

        Raises: ProviderNotFound, ReauthenticationRequired.
        """
        ...

    async def user_identities(self, caller: Caller) -> Identities:
        """Return the identities of the signed-in user."""
        ...

    async def delete_user_identity(self, caller: Caller, id: str) -> None:
        """Raises: IdentityNotFound, LastSignInMethod, ReauthenticationRequired."""
        ...
