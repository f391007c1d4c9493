"""The verifiers of the house, and a genuine token of every kind. Only Bundoc, Functions and BunKMS are fakes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, KeySet, RSAKey

from bunbase.bunauth.module import MODULE as BUNAUTH
from bunbase.bunauth.service import BunAuthService
from bunbase.contracts.bunauth.factors import SecondFactor
from bunbase.contracts.bunauth.openid import OAuthClient, OAuthRefused, OAuthTokens
from bunbase.contracts.bunauth.page_sign_in import ActPage, PageName
from bunbase.contracts.bunauth.problems import (
    AuthorizationPending,
    ChallengeExpired,
    DeviceCodeExpired,
    InvalidToken,
    LinkExpired,
    TokenExpired,
)
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms, SigningAlgorithm
from bunbase.contracts.caller import Caller, CallerKind, Role
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.platform import InvalidKey, NewProject
from bunbase.contracts.service_accounts import NewServiceAccount, TokenRefused, TokenRequest
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.gateway.identity import Identity
from bunbase.pkg.errors import Forbidden, InvalidInput, Unauthenticated
from bunbase.pkg.ids import new_id
from bunbase.pkg.jwt import unverified_claims
from bunbase.pkg.modules import Rooms
from bunbase.pkg.oidc.documents import Documents
from bunbase.pkg.oidc.id_tokens import Expected, checked_claims
from bunbase.pkg.oidc.person import ProviderFailed
from bunbase.pkg.openid_provider.client_credentials import ClientCredentials
from bunbase.pkg.rpc.admission import admission
from bunbase.pkg.rpc.room_keys import derived_keys
from bunbase.platform.module import MODULE as PLATFORM
from bunbase.platform.service import PlatformService
from bunbase.tenant_auth.module import MODULE as TENANT_AUTH
from bunbase.tenant_auth.service import TenantAuthService
from tests.bunauth.openid import Visitor, credentials, exchanged, new_client, refreshed
from tests.bunauth.people import caller_with, registered
from tests.fakes import FakeKms
from tests.house.token_attacks.signing import Issuer
from tests.platform.fake_rooms import FakeBundoc, FakeFunctions
from tests.platform.people import token_of, value_of
from tests.rooms import ANYONE, SECRET, TESTS, TOKENS, opened, publishable_caller, secret_caller, site

URL = "http://127.0.0.1:7070"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
NONCE, CLIENT, PROVIDER = "the nonce", "bunbase", "https://accounts.example.com"
INVALID = (InvalidToken, TokenExpired)
SIGNED_BY_US = "The key signs only what this server makes, and it makes no such token."


@dataclass(frozen=True)
class Verifier:
    """`places`: the functions of the product that this row stands for, as `module.function`.

    `accepts`: True if the token is accepted, False if it is refused as it should be; any other error is a bug.
    `kinds`: the kinds of genuine tokens that it accepts. `exempt`: attacks that are none here, with the reason.
    """

    name: str
    places: tuple[str, ...]
    accepts: Callable[[str], Awaitable[bool]]
    kinds: frozenset[str]
    issuer: Issuer | None = None
    exempt: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class House:
    """`tokens`: returns a genuine token, by kind. `other_project`: the key of another project."""

    verifiers: dict[str, Verifier]
    tokens: dict[str, Callable[[], str]]
    other_project: Issuer
    bunauth: BunAuthService

    def rows(self) -> list[tuple[Verifier, Issuer]]:
        """Return the verifiers of tokens that are signed."""
        return [(row, row.issuer) for row in self.verifiers.values() if row.issuer]

    def issuers(self) -> list[Issuer]:
        return [row.issuer for row in self.verifiers.values() if row.issuer]


@dataclass(frozen=True)
class SignedInShop:
    """An application, its tokens for Ada, another code for it, and the cookie of the page on which she signed in."""

    client: OAuthClient
    tokens: OAuthTokens
    code: str
    cookie: str


@dataclass(frozen=True)
class Opened:
    """The rooms, and the people and projects in them."""

    kms: FakeKms
    bunauth: BunAuthService
    tenant_auth: TenantAuthService
    platform: PlatformService
    identity: Identity
    ada: Caller
    bakery: NewProject
    library: NewProject
    user: str
    rsa: RSAKey
    ec: ECKey
    shop: SignedInShop


@asynccontextmanager
async def opened_house(home: Path, database_url: str) -> AsyncIterator[House]:
    where, kms = site(home, database_url), FakeKms(lazy=False)
    async with (
        opened(BUNAUTH, Rooms({Kms: kms}), where) as bunauth,
        opened(TENANT_AUTH, Rooms({Kms: kms}), where) as tenant_auth,
    ):
        others: dict[type, Any] = {
            Bundoc: FakeBundoc(),
            Functions: FakeFunctions(),
            BunAuth: bunauth,
            TenantAuth: tenant_auth,
        }
        async with opened(PLATFORM, Rooms({Kms: kms, **others}), where) as platform:
            identity = Identity(bunauth, platform, tenant_auth, size=10_000)
            async with identity.following():
                access = await registered(bunauth)
                ada = await caller_with(bunauth, access.access_token)
                bakery = await platform.create_project(ada, "Bakery")
                library = await platform.create_project(ada, "Library")
                user = await tenant_auth.create_user(secret_caller(bakery.id), NewUser("eve@example.com"))
                keys = RSAKey.generate_key(2048), ECKey.generate_key("P-256")
                shop = await _signed_in_shop(bunauth, ada)
                rooms = Opened(
                    kms, bunauth, tenant_auth, platform, identity, ada, bakery, library, user.id, *keys, shop
                )
                await tenant_auth.change_project_auth(at(rooms, bakery.id), {"cookies": True}, None)
                tenant_auth.pools.cache.forget(bakery.id)
                made = await _tokens(rooms)
                made |= {"developer": access.access_token, "developer's refresh": access.refresh_token}
                tokens: dict[str, Callable[[], str]] = {kind: partial(str, token) for kind, token in made.items()}
                verifiers = await _jwt_verifiers(rooms)
                tokens |= {row.name: row.issuer.token for row in verifiers if row.issuer and row.name in row.kinds}
                every = [*verifiers, *_opaque_verifiers(rooms)]
                other = Issuer("RS256", f"{library.id}-1", kms.signing[library.id], dict)
                yield House({row.name: row for row in every}, tokens, other, bunauth)


async def _signed_in_shop(bunauth: BunAuthService, admin: Caller) -> SignedInShop:
    client, visitor = await new_client(bunauth, admin), Visitor(bunauth, "ada@example.com")
    tokens = await exchanged(bunauth, client, await visitor.code(client))
    return SignedInShop(client, tokens, await visitor.code(client), visitor.cookie)


async def _jwt_verifiers(rooms: Opened) -> list[Verifier]:
    bunauth, identity = rooms.bunauth, rooms.identity
    developer = await _developer_issuer(rooms)
    service = dict.fromkeys(("issued_in_the_future", "subject_that_postgresql_cannot_store"), SIGNED_BY_US)
    by_us = service | {"subject_that_is_nobody": SIGNED_BY_US}
    no_issuer = {"other_issuer": "The key belongs to one issuer, from which it was fetched."}

    async def verify(token: str) -> bool:
        return (await bunauth.verify(token)).valid

    return [
        Verifier(
            "JSON-RPC auth.verify",
            (
                "bunauth.access_tokens.claims",
                "bunauth.service.verification.claims",
                "bunauth.service.verification.verify",
                "bunauth.service.sessions.end_of_token",
                "pkg.jwt._signed_claims",
            ),
            verify,
            frozenset({"developer", "personal"}),
            developer,
            by_us,
        ),
        Verifier(
            "gateway: developer",
            ("gateway.keyring.claims", "gateway.identity._checked"),
            lambda token: refuses(identity.developer(token), *INVALID),
            frozenset({"developer", "personal"}),
            developer,
            by_us | no_issuer,
        ),
        Verifier(
            "gateway: end user",
            ("gateway.keyring.claims", "gateway.identity.end_user"),
            lambda token: refuses(identity.end_user(rooms.bakery.id, token), *INVALID),
            frozenset({"user"}),
            await _user_issuer(rooms),
            by_us | no_issuer,
        ),
        *[await _curve_verifier(rooms, algorithm) for algorithm in (SigningAlgorithm.ES256, SigningAlgorithm.EDDSA)],
        Verifier(
            "gateway: service token",
            ("gateway.keyring.claims", "gateway.identity._service_claims"),
            lambda token: refuses(identity.service(token), *INVALID),
            frozenset({"service", "service token of another project"}),
            await _service_issuer(rooms),
            service | no_issuer,
        ),
        Verifier(
            "custom token",
            ("tenant_auth.access_tokens._checked",),
            lambda token: refuses(
                rooms.tenant_auth.login_with_custom_token(publishable_caller(rooms.bakery.id), token), *INVALID
            ),
            frozenset({"custom"}),
            _custom_issuer(rooms),
            service | no_issuer,
        ),
        await _userinfo_verifier(rooms),
        await _assertion_verifier(rooms, "client assertion, RSA", rooms.rsa, "RS256"),
        await _assertion_verifier(rooms, "client assertion, EC", rooms.ec, "ES256"),
        _room_verifier(),
        _provider_verifier(rooms.rsa),
    ]


async def refuses(asked: Awaitable[Any], *expected: type[Exception]) -> bool:
    """Return False if the answer is one of the expected refusals, and True if there is an answer."""
    try:
        await asked
    except expected:
        return False
    return True


async def _developer_issuer(rooms: Opened) -> Issuer:
    key = rooms.bunauth.access.keys.current()
    assert rooms.ada.developer is not None
    account, session = rooms.ada.developer, rooms.ada.developer.session

    def claims() -> dict[str, Any]:
        return _dates(900) | {
            "iss": URL,
            "sub": account.id,
            "aud": "bunbase",
            "jti": new_id("jti"),
            "sid": session,
            "gen": 0,
            "type": "access",
            "role": "admin",
            "email": account.email,
        }

    private = vars(key)["_key"].private_key  # no room hands out its key
    return Issuer("RS256", key.kid, private, claims)


async def _userinfo_verifier(rooms: Opened) -> Verifier:
    tokens = rooms.shop.tokens
    said = unverified_claims(tokens.access_token)
    key = rooms.bunauth.access.keys.current()

    def claims() -> dict[str, Any]:
        return said | _dates(900) | {"jti": new_id("jti")}

    return Verifier(
        "application's access token",
        ("bunauth.service.openid.token_checks._access_token",),
        lambda token: refuses(rooms.bunauth.oauth_userinfo(token), InvalidToken),
        frozenset({"application's access token"}),
        Issuer("RS256", key.kid, vars(key)["_key"].private_key, claims),
        {"issued_in_the_future": SIGNED_BY_US},
    )


async def _user_issuer(rooms: Opened) -> Issuer:
    return _project_issuer(rooms, await _user_claims(rooms, rooms.bakery.id))


async def _user_claims(rooms: Opened, project: str) -> Callable[[], dict[str, Any]]:
    """Return the claims of a user with a real session: on a busy machine, the gateway may ask whether it is open."""
    users, server = rooms.tenant_auth, secret_caller(project)
    user = await users.create_user(server, NewUser("session@example.com"))
    custom = await users.custom_token(server, user.id, {})
    opened = await users.login_with_custom_token(publishable_caller(project), custom.token)
    said = unverified_claims(opened.access_token)

    def claims() -> dict[str, Any]:
        return said | _dates(900) | {"jti": new_id("jti")}

    return claims


async def _curve_verifier(rooms: Opened, algorithm: SigningAlgorithm) -> Verifier:
    """Return the row of a project that has changed the algorithm of its tokens. Its old RSA key is still accepted."""
    project = (await rooms.platform.create_project(rooms.ada, f"Signs with {algorithm}")).id
    await rooms.tenant_auth.change_project_auth(at(rooms, project), {"tokens": {"algorithm": algorithm.value}}, None)
    rooms.tenant_auth.pools.cache.forget(project)
    claims = await _user_claims(rooms, project)
    name = f"gateway: end user, {algorithm}"
    by_us = ("issued_in_the_future", "subject_that_postgresql_cannot_store", "subject_that_is_nobody", "other_issuer")
    return Verifier(
        name,
        ("gateway.keyring.claims", "gateway.identity.end_user"),
        lambda token: refuses(rooms.identity.end_user(project, token), *INVALID),
        frozenset({name}),
        Issuer(algorithm.value, f"{project}-2", rooms.kms.signing[project], claims),
        dict.fromkeys(by_us, SIGNED_BY_US),
    )


def _custom_issuer(rooms: Opened) -> Issuer:
    def claims() -> dict[str, Any]:
        more = {"aud": f"{rooms.bakery.id}/custom-token", "type": "custom", "claims": {}}
        return _of_project(rooms, rooms.user, 300) | more

    return _project_issuer(rooms, claims, "custom+jwt")


async def _service_issuer(rooms: Opened) -> Issuer:
    account = await _account(rooms, None)

    def claims() -> dict[str, Any]:
        more = {"aud": rooms.bakery.id, "client_id": account, "type": "service", "scope": "data:read"}
        return _of_project(rooms, account, 600) | more

    return _project_issuer(rooms, claims, "at+jwt")


def _project_issuer(rooms: Opened, claims: Callable[[], dict[str, Any]], typ: str = "JWT") -> Issuer:
    return Issuer("RS256", f"{rooms.bakery.id}-1", rooms.kms.signing[rooms.bakery.id], claims, typ)


async def _assertion_verifier(rooms: Opened, name: str, key: RSAKey | ECKey, algorithm: str) -> Verifier:
    client = await _account(rooms, key.as_dict(private=False))

    def claims() -> dict[str, Any]:
        said = {"iss": client, "sub": client, "aud": f"{URL}/v1/auth/token", "jti": new_id("jti")}
        return _dates(300) | said

    async def accepts(assertion: str) -> bool:
        asked = TokenRequest("client_credentials", client_assertion_type=ASSERTION, client_assertion=assertion)
        return await refuses(rooms.platform.exchange_token(asked), TokenRefused)

    private: Any = key.private_key
    return Verifier(
        name,
        ("pkg.client_assertions.check_assertion", "platform.service_accounts.service._by_assertion"),
        accepts,
        frozenset({"client assertion, RSA", "client assertion, EC"}),
        Issuer(algorithm, "any", private, claims),
        {
            "no_name_of_the_key": "A client has one key.",
            "other_type": "An assertion has no type: its audience is the token endpoint.",
        },
    )


def _room_verifier() -> Verifier:
    key = derived_keys([SECRET], [TESTS], ()).own[TESTS]
    admit = admission({"bunkms": {TESTS: frozenset({"sign"})}}, {})

    def claims() -> dict[str, Any]:
        return _dates(300) | {"sub": TESTS, "aud": "bunkms", "type": "service"}

    async def accepts(token: str) -> bool:
        try:
            admit(TOKENS.check(token), "bunkms.sign", {})
        except (Unauthenticated, Forbidden):
            return False
        return True

    private: Any = key.key.private_key
    return Verifier(
        "room's service token",
        ("pkg.rpc.tokens._verified",),
        accepts,
        frozenset({"room's service token"}),
        Issuer("Ed25519", key.id, private, claims),
        {"other_issuer": "The key names the room.", "issued_in_the_future": "The lifetime is bounded by its end."},
    )


def _provider_verifier(key: RSAKey) -> Verifier:
    public = KeySet.import_key_set({"keys": [key.as_dict(private=False) | {"kid": "theirs", "use": "sig"}]})

    class FetchedKeys(Documents):
        def __init__(self) -> None:
            pass

        async def keys(self, anew: bool = False) -> KeySet:
            return public

    def claims() -> dict[str, Any]:
        return _dates(300) | {"iss": PROVIDER, "aud": CLIENT, "sub": "ada", "nonce": NONCE}

    def accepts(token: str) -> Awaitable[bool]:
        expected = Expected(PROVIDER, CLIENT, NONCE, time.time())
        return refuses(checked_claims(token, FetchedKeys(), expected), ProviderFailed)

    private: Any = key.private_key
    return Verifier(
        "provider's ID token",
        ("pkg.oidc.id_tokens._signed_claims", "pkg.oidc.openid.person"),
        accepts,
        frozenset({"provider's ID token"}),
        Issuer("RS256", "theirs", private, claims),
        {
            "no_name_of_the_key": "OpenID Connect Core §10.1 allows this for a provider with one key.",
            "other_algorithm": "A provider may sign with every algorithm that has a public key.",
            "other_type": "ID tokens have no type: the nonce binds them to one sign-in.",
            "subject_that_is_nobody": "The provider names whom it wants.",
        },
    )


def _opaque_verifiers(rooms: Opened) -> list[Verifier]:
    """Return the verifiers of random tokens, which are looked up by their hash."""
    bunauth, platform, tenant_auth = rooms.bunauth, rooms.platform, rooms.tenant_auth
    users = publishable_caller(rooms.bakery.id)

    async def device(code: str) -> bool:
        try:
            return await refuses(bunauth.poll_device_login(ANYONE, code), DeviceCodeExpired)
        except AuthorizationPending:
            return True

    def by_secret(secret: str) -> Awaitable[Any]:
        return platform.exchange_token(TokenRequest("client_credentials", "sa_x", secret, scope="data:read"))

    async def registered_by(token: str) -> bool:
        """Send a password that is too short, so that a right token stays valid."""
        try:
            return await refuses(platform.open_account_by_invite(ANYONE, token, "", "short"), LinkExpired)
        except InvalidInput:
            return True

    async def cookie(value: str) -> bool:
        return await bunauth.page_session(value) is not None

    async def introspected(token: str) -> bool:
        return (await bunauth.oauth_introspect(credentials(shop), token)).active

    shop = rooms.shop.client
    asked: dict[str, tuple[Callable[[str], Awaitable[Any]], type[Exception], frozenset[str]]] = {
        "application's secret": (
            lambda secret: bunauth.oauth_introspect(ClientCredentials(shop.id, secret), "x"),
            OAuthRefused,
            frozenset({"application's secret"}),
        ),
        "application's code": (
            lambda code: exchanged(bunauth, shop, code),
            OAuthRefused,
            frozenset({"application's code"}),
        ),
        "application's refresh": (
            lambda token: refreshed(bunauth, shop, token),
            OAuthRefused,
            frozenset({"application's refresh"}),
        ),
        "project key": (platform.key_holder, InvalidKey, frozenset({"secret key", "publishable key"})),
        "client secret": (by_secret, TokenRefused, frozenset({"secret key"})),
        "second factor": (
            lambda token: bunauth.login_with_second_factor(ANYONE, token, SecondFactor("123456")),
            ChallengeExpired,
            frozenset(),
        ),
        "link of a mail": (lambda token: bunauth.verify_email(ANYONE, token), LinkExpired, frozenset()),
        "invitation to an account": (bunauth.invitation, LinkExpired, frozenset({"invitation to an account"})),
        "invitation to a project": (
            lambda token: platform.accept_invite(rooms.ada, token),
            LinkExpired,
            frozenset({"invitation to a project", "mail of an invitation"}),
        ),
        "newcomer's pass": (
            lambda token: bunauth.open_invited_by_pass(
                ANYONE, ActPage(PageName.INVITE, token), token, "bob@example.com", str(rooms.ada.signed_in().id)
            ),
            ChallengeExpired,
            frozenset(),
        ),
        "developer's refresh": (
            lambda token: bunauth.refresh(ANYONE, token),
            InvalidToken,
            frozenset({"developer's refresh"}),
        ),
        "user's cookie": (
            lambda token: tenant_auth.cookie_access(rooms.bakery.id, token, False),
            InvalidToken,
            frozenset({"user's refresh"}),
        ),
        "user's refresh": (
            lambda token: tenant_auth.refresh(users, token),
            InvalidToken,
            frozenset({"user's refresh"}),
        ),
    }

    def row(name: str) -> Verifier:
        ask, refusal, kinds = asked[name]
        return Verifier(name, (), lambda token: refuses(ask(token), refusal), kinds)

    return [
        Verifier(
            "newcomer's registration", (), registered_by, frozenset({"mail of an invitation"})
        ),  # before the invitation is accepted
        *(row(name) for name in asked),
        Verifier("device code", (), device, frozenset({"device code"})),
        Verifier("sign-in page's cookie", (), cookie, frozenset({"sign-in page's cookie"})),
        Verifier(
            "introspection",
            (),
            introspected,
            frozenset({"application's access token", "application's refresh"}),
        ),
    ]


def _dates(seconds: int) -> dict[str, Any]:
    now = int(time.time())
    return {"iat": now, "exp": now + seconds}


def _of_project(rooms: Opened, subject: str, seconds: int) -> dict[str, Any]:
    return _dates(seconds) | {"iss": f"{URL}/v1/auth/{rooms.bakery.id}", "sub": subject, "jti": new_id("jti")}


async def _account(rooms: Opened, key: Any, project: str = "") -> str:
    by = at(rooms, project or rooms.bakery.id)
    return (await rooms.platform.create_service_account(by, NewServiceAccount("x", ("data:read",), key))).client_id


def at(rooms: Opened, project: str) -> Caller:
    return Caller(CallerKind.DEVELOPER, project=project, developer=rooms.ada.developer, role=Role.OWNER)


async def _tokens(rooms: Opened) -> dict[str, str]:
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
