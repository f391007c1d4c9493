"""A genuine token of every kind that this server makes."""

from __future__ import annotations

from bunbase.bunauth.service import BunAuthService
from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.service_accounts import NewServiceAccount, TokenRequest
from bunbase.contracts.tenant_auth.users import NewUser
from tests.bunauth.openid import Visitor, exchanged, new_client
from tests.house.token_attacks.rows import Opened, SignedInShop, at
from tests.platform.people import token_of, value_of
from tests.rooms import ANYONE, publishable_caller, secret_caller


async def genuine_tokens(rooms: Opened) -> dict[str, str]:
    """Return a genuine token of every other kind that this server makes, by kind."""
    at_bakery, bunauth, platform = at(rooms, rooms.bakery.id), rooms.bunauth, rooms.platform
    made = [
        await platform.create_service_account(at(rooms, project.id), NewServiceAccount("x", ("data:read",)))
        for project in (rooms.bakery, rooms.library)
    ]
    asked = [TokenRequest("client_credentials", one.client_id, str(one.client_secret)) for one in made]
    server = secret_caller(rooms.bakery.id)
    custom = [(await rooms.tenant_auth.custom_token(server, rooms.user, {})).token for _ in range(2)]
    user = await rooms.tenant_auth.login_with_custom_token(publishable_caller(rooms.bakery.id), custom[0])
    elsewhere = await rooms.tenant_auth.create_user(secret_caller(rooms.library.id), NewUser("eve@example.com"))
    foreign = (await rooms.tenant_auth.custom_token(secret_caller(rooms.library.id), elsewhere.id, {})).token
    return {
        "custom": custom[1],
        "custom token of another project": foreign,
        "user": user.access_token,
        "user's refresh": user.refresh_token,
        "service": (await platform.exchange_token(asked[0])).access_token,
        "service token of another project": (await platform.exchange_token(asked[1])).access_token,
        "client secret": str(made[0].client_secret),
        "client secret of another project": str(made[1].client_secret),
        "secret key": value_of(rooms.bakery.keys[1]),
        "publishable key": value_of(rooms.bakery.keys[0]),
        "personal": str((await bunauth.create_token(rooms.ada, "x", ("data:read",), None)).token),
        "application's secret": str(rooms.shop.client.client_secret),
        "application's code": rooms.shop.code,
        "application's refresh": rooms.shop.tokens.refresh_token,
        "application's ID token": rooms.shop.tokens.id_token,
        "sign-in page's cookie": rooms.shop.cookie,
        "device code": (await bunauth.start_device_login(ANYONE, "x")).device_code,
        "invitation to an account": str((await bunauth.create_invite(rooms.ada, None, "user")).url).rpartition("=")[2],
        "invitation to a project": token_of(
            await platform.create_invite(at_bakery, None, "bob@example.com", Role.VIEWER)
        ),
        "mail of an invitation": await _mailed_invitation(rooms, at_bakery),
    }


async def _mailed_invitation(rooms: Opened, by: Caller) -> str:
    await rooms.platform.create_invite(by, None, "eve@example.com", Role.VIEWER)
    (mail,) = await rooms.platform.dev_mails("eve@example.com", "", 2, "")
    return mail.text.partition("/invite?token=")[2].split()[0]


async def signed_in_shop(bunauth: BunAuthService, admin: Caller) -> SignedInShop:
    client, visitor = await new_client(bunauth, admin), Visitor(bunauth, "ada@example.com")
    tokens = await exchanged(bunauth, client, await visitor.code(client))
    return SignedInShop(client, tokens, await visitor.code(client), visitor.cookie)
