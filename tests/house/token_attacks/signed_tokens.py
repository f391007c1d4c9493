"""The verifiers of signed tokens."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from joserfc.jwk import ECKey, RSAKey

from bunbase.contracts.bunauth.problems import (
    InvalidToken,
    TokenExpired,
)
from bunbase.contracts.bunkms import SigningAlgorithm
from bunbase.contracts.service_accounts import TokenRefused, TokenRequest
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.pkg.errors import Forbidden, Unauthenticated
from bunbase.pkg.ids import new_id
from bunbase.pkg.jwt import unverified_claims
from bunbase.pkg.oidc.documents import Documents
from bunbase.pkg.oidc.id_tokens import Expected, checked_claims
from bunbase.pkg.oidc.person import ProviderFailed
from bunbase.pkg.oidc.provider_keys import ProviderKeys
from bunbase.pkg.rpc.admission import admission
from bunbase.pkg.rpc.room_keys import derived_keys
from tests.house.token_attacks.rows import Opened, Verifier, at, dates, refuses, service_account
from tests.house.token_attacks.signing import Issuer
from tests.rooms import SECRET, TESTS, TOKENS, publishable_caller, secret_caller

URL = "http://127.0.0.1:7070"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
NONCE, CLIENT, PROVIDER = "the nonce", "bunbase", "https://accounts.example.com"
INVALID = (InvalidToken, TokenExpired)
SIGNED_BY_US = "The key signs only what this server makes, and it makes no such token."


async def signed_verifiers(rooms: Opened) -> list[Verifier]:
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
            ("gateway.keyring.claims", "gateway.identity.user_token"),
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


async def _developer_issuer(rooms: Opened) -> Issuer:
    key = rooms.bunauth.access.keys.current()
    assert rooms.ada.developer is not None
    account, session = rooms.ada.developer, rooms.ada.developer.session

    def claims() -> dict[str, Any]:
        return dates(900) | {
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

    private = vars(key)["_key"].private_key  # No room hands out its key.
    return Issuer("RS256", key.kid, private, claims)


async def _userinfo_verifier(rooms: Opened) -> Verifier:
    tokens = rooms.shop.tokens
    said = unverified_claims(tokens.access_token)
    key = rooms.bunauth.access.keys.current()

    def claims() -> dict[str, Any]:
        return said | dates(900) | {"jti": new_id("jti")}

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
    """Return the claims of a user with a real session.

    On a busy machine, the gateway may ask whether the session is open.
    """
    users, server = rooms.tenant_auth, secret_caller(project)
    user = await users.create_user(server, NewUser("session@example.com"))
    custom = await users.custom_token(server, user.id, {})
    opened = await users.login_with_custom_token(publishable_caller(project), custom.token)
    said = unverified_claims(opened.access_token)

    def claims() -> dict[str, Any]:
        return said | dates(900) | {"jti": new_id("jti")}

    return claims


async def _curve_verifier(rooms: Opened, algorithm: SigningAlgorithm) -> Verifier:
    """Return the row of a project that has changed the algorithm of its tokens.

    The old RSA key of the project is still accepted.
    """
    project = (await rooms.platform.create_project(rooms.ada, f"Signs with {algorithm}")).id
    await rooms.tenant_auth.change_project_auth(at(rooms, project), {"tokens": {"algorithm": algorithm.value}}, None)
    rooms.tenant_auth.pools.cache.forget(project)
    claims = await _user_claims(rooms, project)
    name = f"gateway: end user, {algorithm}"
    by_us = ("issued_in_the_future", "subject_that_postgresql_cannot_store", "subject_that_is_nobody", "other_issuer")
    return Verifier(
        name,
        ("gateway.keyring.claims", "gateway.identity.user_token"),
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
    account = await service_account(rooms, None)

    def claims() -> dict[str, Any]:
        more = {"aud": rooms.bakery.id, "client_id": account, "type": "service", "scope": "data:read"}
        return _of_project(rooms, account, 600) | more

    return _project_issuer(rooms, claims, "at+jwt")


def _project_issuer(rooms: Opened, claims: Callable[[], dict[str, Any]], typ: str = "JWT") -> Issuer:
    return Issuer("RS256", f"{rooms.bakery.id}-1", rooms.kms.signing[rooms.bakery.id], claims, typ)


def _of_project(rooms: Opened, subject: str, seconds: int) -> dict[str, Any]:
    return dates(seconds) | {"iss": f"{URL}/v1/auth/{rooms.bakery.id}", "sub": subject, "jti": new_id("jti")}


async def _assertion_verifier(rooms: Opened, name: str, key: RSAKey | ECKey, algorithm: str) -> Verifier:
    client = await service_account(rooms, key.as_dict(private=False))

    def claims() -> dict[str, Any]:
        said = {"iss": client, "sub": client, "aud": URL, "jti": new_id("jti")}
        return dates(300) | said

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
        return dates(300) | {"sub": TESTS, "aud": "bunkms", "type": "service"}

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
    public = ProviderKeys({"keys": [key.as_dict(private=False) | {"kid": "theirs", "use": "sig"}]})

    class FetchedKeys(Documents):
        def __init__(self) -> None:
            pass

        async def keys(self, anew: bool = False) -> ProviderKeys:
            return public

    def claims() -> dict[str, Any]:
        return dates(300) | {"iss": PROVIDER, "aud": CLIENT, "sub": "ada", "nonce": NONCE}

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
