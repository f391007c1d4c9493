"""Links that administrators send themselves, and sessions in which administrators act as a user."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.users import User

Reason = Annotated[str, msgspec.Meta(max_length=200)]


class LinkKind(StrEnum):
    PASSWORD_RESET = "password_reset"
    SIGN_IN = "sign_in"
    VERIFY_EMAIL = "verify_email"


class NewHandedLink(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`redirect_to`: the page of the app to which the link leads at the end; one of `redirect_urls`."""

    kind: LinkKind
    redirect_to: str = ""


class HandedLink(msgspec.Struct, frozen=True):
    """`url`: the link, which works once; only this answer shows it. `email`: the address that is confirmed when the
    link is opened.
    """

    kind: LinkKind
    email: str
    expires_at: datetime
    url: str


class NewImpersonation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`reason`: a note for the audit log, such as the number of a ticket."""

    reason: Reason = ""


class Impersonated(msgspec.Struct, frozen=True):
    """A session that acts as a user, without a refresh token. `expires_in`: its lifetime in seconds.

    `session`: the id of the session. `impersonated_by`: the id of the developer or key that uses the session.
    """

    user: User
    access_token: str
    expires_in: int
    session: str
    impersonated_by: str
    token_type: str = "Bearer"


class UserImpersonation(Protocol):
    async def create_user_link(self, caller: Caller, id: str, new: NewHandedLink) -> HandedLink:
        """Make the link that a mail to the user would contain, and send no mail. Earlier links of this kind end.

        Raises: UserNotFound, UserBanned, NoLink, InvalidInput, Forbidden.
        """
        ...

    async def impersonate_user(self, caller: Caller, id: str, new: NewImpersonation) -> Impersonated:
        """Open a session that acts as the user.

        The tokens of the session have the claim `act`, and are refused for acts that only the user may do.

        Raises: UserNotFound, UserBanned, Forbidden.
        """
        ...
