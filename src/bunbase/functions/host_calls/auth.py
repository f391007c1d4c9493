"""`ctx.auth`: the signed-in user of the call, with current values from TenantAuth; and all users of the project.

`me` and `updateMe` use the rights of the signed-in user. All other methods use the rights of the project.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec

from bunbase.contracts.tenant_auth.problems import UserNotFound
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.signups import NewUserInvite
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges, UserFilter
from bunbase.functions.host_calls.arguments import read
from bunbase.functions.host_calls.power import caller_of
from bunbase.functions.workers.asks import Ask
from bunbase.pkg.api_json import api_json
from bunbase.pkg.cursors import DEFAULT_LIMIT, MAX_LIMIT
from bunbase.pkg.errors import InvalidInput

MAX_BODY_BYTES: Final = 64 << 10

T = TypeVar("T", bound=msgspec.Struct)


class UserData(msgspec.Struct, frozen=True):
    data: dict[str, Any]


class UserId(msgspec.Struct, frozen=True):
    id: str


class UserEmail(msgspec.Struct, frozen=True):
    email: str


class UserListOptions(UserFilter, frozen=True, forbid_unknown_fields=True):
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


class UserUpdate(msgspec.Struct, frozen=True):
    id: str
    changes: UserChanges


class TokenClaims(msgspec.Struct, frozen=True):
    uid: str
    claims: dict[str, Any] = {}


async def me(users: TenantAuth, ask: Ask) -> bytes:
    return api_json(await users.me(caller_of(ask, "caller")))


async def update_me(users: TenantAuth, ask: Ask) -> bytes:
    new = await _sent(ask, UserData)
    return api_json(await users.update_me(caller_of(ask, "caller"), new.data))


async def get(users: TenantAuth, ask: Ask) -> bytes:
    return api_json(await users.user(caller_of(ask, "project"), (await _sent(ask, UserId)).id))


async def get_by_email(users: TenantAuth, ask: Ask) -> bytes:
    only = UserFilter(email=(await _sent(ask, UserEmail)).email)
    found = (await users.users(caller_of(ask, "project"), only, 1, None)).items
    if not found:
        raise UserNotFound("The project has no user with this address.")
    return api_json(found[0])


async def list_page(users: TenantAuth, ask: Ask) -> bytes:
    asked = await _sent(ask, UserListOptions)
    if not 1 <= asked.limit <= MAX_LIMIT:
        raise InvalidInput(f"`limit` must be a number from 1 to {MAX_LIMIT}.")
    only = UserFilter(**{name: getattr(asked, name) for name in UserFilter.__struct_fields__})
    return api_json(await users.users(caller_of(ask, "project"), only, asked.limit, asked.cursor))


async def create(users: TenantAuth, ask: Ask) -> bytes:
    return api_json(await users.create_user(caller_of(ask, "project"), await _sent(ask, NewUser)))


async def update(users: TenantAuth, ask: Ask) -> bytes:
    asked = await _sent(ask, UserUpdate)
    return api_json(await users.update_user(caller_of(ask, "project"), asked.id, asked.changes))


async def delete(users: TenantAuth, ask: Ask) -> bytes:
    await users.delete_user(caller_of(ask, "project"), (await _sent(ask, UserId)).id)
    return b""


async def invite(users: TenantAuth, ask: Ask) -> bytes:
    return api_json(await users.invite_user(caller_of(ask, "project"), await _sent(ask, NewUserInvite)))


async def renew_tokens(users: TenantAuth, ask: Ask) -> bytes:
    renewed = UserChanges(renew_tokens=True)
    return api_json(await users.update_user(caller_of(ask, "project"), (await _sent(ask, UserId)).id, renewed))


async def sign_out(users: TenantAuth, ask: Ask) -> bytes:
    await users.end_user_sessions(caller_of(ask, "project"), (await _sent(ask, UserId)).id)
    return b""


async def custom_token(users: TenantAuth, ask: Ask) -> bytes:
    asked = await _sent(ask, TokenClaims)
    return api_json(await users.custom_token(caller_of(ask, "project"), asked.uid, asked.claims))


async def _sent(ask: Ask, kind: type[T]) -> T:
    return read(await ask.body(MAX_BODY_BYTES), kind)


METHODS: Final[dict[str, Callable[[TenantAuth, Ask], Awaitable[bytes]]]] = {
    "auth.me": me,
    "auth.updateMe": update_me,
    "auth.users.get": get,
    "auth.users.getByEmail": get_by_email,
    "auth.users.list": list_page,
    "auth.users.create": create,
    "auth.users.update": update,
    "auth.users.delete": delete,
    "auth.users.invite": invite,
    "auth.users.renewTokens": renew_tokens,
    "auth.users.signOut": sign_out,
    "auth.customToken": custom_token,
}
