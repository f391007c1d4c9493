"""Acts on many users at once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.users import Moment

MAX_USERS: Final = 1000  # one request may name at most this number of users


class BulkAction(StrEnum):
    BAN = "ban"
    UNBAN = "unban"
    DELETE = "delete"
    SIGN_OUT = "sign_out"


NamedUser = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
NamedUsers = Annotated[tuple[NamedUser, ...], msgspec.Meta(min_length=1, max_length=MAX_USERS)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=320)]


class BulkFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The conditions of `GET /v1/auth/users`.

    At least one condition must be set. A user must match all conditions that are set.
    """

    email: Text | None = None
    q: Text | None = None
    role: Text | None = None
    banned: bool | None = None
    phone: Text | None = None
    provider: Text | None = None
    anonymous: bool | None = None
    created_since: Moment | None = None


class BulkChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The users of the act: either `ids` or `filter`. With `filter`, at most `limit` of the matching users, oldest
    first; `cursor` continues after the users of an earlier call.
    """

    action: BulkAction
    ids: NamedUsers | None = None
    filter: BulkFilter | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_USERS)] = MAX_USERS
    cursor: str | None = None


class NotChanged(msgspec.Struct, frozen=True):
    """A user to whom the act was not done. `code`: the code of the problem that a request for this user alone would
    get.
    """

    id: str
    code: str


class BulkResult(msgspec.Struct, frozen=True):
    """`done`: the number of users to whom the act was done: all users except the users in `failed`.

    `digest`: the SHA-256 of the sorted ids of these users; a line feed follows each id. `next`: the cursor for the next
    users of a filter.
    """

    action: BulkAction
    done: int
    digest: str
    failed: tuple[NotChanged, ...] = ()
    next: str | None = None


class ManyUsers(Protocol):
    async def change_users(self, caller: Caller, change: BulkChange) -> BulkResult:
        """Do an act to many users, in transactions of 100 users. A client that loses the connection can repeat the
        request.

        Raises: InvalidInput, InvalidCursor, Forbidden.
        """
        ...
