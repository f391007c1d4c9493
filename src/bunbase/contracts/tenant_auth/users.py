"""The end users of a project, as the users themselves and as administrators see them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.pkg.sent_texts import Email, NewPassword

USER_ID: Final = "^[A-Za-z0-9_][A-Za-z0-9_.:|-]{0,127}$"  # imported users keep their ids from other systems
# described for the OpenAPI document only: `pkg/phones.py` checks numbers, and its message shows an example
Phone = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": r"^\+[0-9 ()./-]{6,39}$"})]

ZonedTime = Annotated[datetime, msgspec.Meta(tz=True)]


Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class UserOrder(StrEnum):
    NEWEST = "newest"
    OLDEST = "oldest"
    EMAIL = "email"


class User(msgspec.Struct, frozen=True):
    """An end user of one project. The user may change `data`; only servers and developers may change `role` and
    `claims`.

    `anonymous`: true if the user has not signed up yet, and has neither an address nor a password. `language`: the
    language of the user, such as `de-CH`; empty if it is not known.
    """

    id: str
    email: str | None
    email_verified: bool
    role: str
    claims: dict[str, Any]
    data: dict[str, Any]
    created_at: datetime
    name: str = ""
    phone: str | None = None
    phone_verified: bool = False
    anonymous: bool = False
    language: str = ""


class ManagedUser(User, frozen=True, kw_only=True):
    """A user as administrators see it.

    `banned_until`: the end of the ban; null for a ban without end, and for a user who is not banned.
    """

    banned: bool
    has_password: bool
    banned_until: datetime | None = None
    last_sign_in_at: datetime | None = None


class ManagedUsers(msgspec.Struct, frozen=True):
    items: tuple[ManagedUser, ...]
    next: str | None = None


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user without a password can sign in only with a custom token, a mail or a text message.

    The user has an address, a phone number, or both. `claims` has at most 1 KiB of JSON, `data` at most 16 KiB, and
    `name` at most 200 characters. `language`: the language of mails and text messages to the user, such as `de`.
    """

    email: Email | None = None
    password: NewPassword | None = None
    email_verified: bool = False
    role: str = "user"
    claims: dict[str, Any] = {}
    data: dict[str, Any] = {}
    name: str = ""
    phone: Phone | None = None
    phone_verified: bool = False
    language: str = ""


class UserChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Members that are left out stay as they are; `claims` and `data` are replaced as a whole.

    `banned`: true bans the user; the ban has no end if `banned_until` is not set. `banned_until`: a time bans the user
    until then; null makes a present ban permanent. `phone`: null removes the number. A changed number counts as not
    confirmed, except if `phone_verified` is true. `renew_tokens`: true ends the user's access tokens, but no session.
    The next refresh calls the hook `before_token` again.
    """

    email: Email | UnsetType = UNSET
    email_verified: bool | UnsetType = UNSET
    password: NewPassword | UnsetType = UNSET
    role: str | UnsetType = UNSET
    claims: dict[str, Any] | UnsetType = UNSET
    data: dict[str, Any] | UnsetType = UNSET
    banned: bool | UnsetType = UNSET
    banned_until: ZonedTime | UnsetType | None = UNSET
    name: str | UnsetType = UNSET
    phone: Phone | UnsetType | None = UNSET
    phone_verified: bool | UnsetType = UNSET
    language: str | UnsetType = UNSET
    renew_tokens: bool | UnsetType = UNSET


class UserFilter(msgspec.Struct, frozen=True):
    """`email`: the whole address; `q`: a prefix of the address or of the name, or a whole phone number. Case is
    ignored.

    `phone`: the whole number. `provider`: a service with which the user can sign in, or `password`. `created_since`:
    only users that were created at this time or later. `order`: the order by creation, or by address. The order by
    address leaves out users without an address.
    """

    email: str | None = None
    q: str | None = None
    role: str | None = None
    banned: bool | None = None
    phone: str | None = None
    provider: str | None = None
    anonymous: bool | None = None
    created_since: Moment | None = None
    order: UserOrder = UserOrder.NEWEST
