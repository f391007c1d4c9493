"""Programs get short-lived tokens at `/v1/auth/token`, and use the tokens instead of a secret key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from authlib.integrations.httpx_client import AsyncOAuth2Client
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from httpx2 import ASGITransport
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from bunbase.contracts.caller import CallerKind
from bunbase.contracts.keys import KeyChanges, KeyLimits
from bunbase.contracts.service_accounts import NewServiceAccount, ServiceAccount, ServiceAccountNotFound
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.jwt import unverified_claims
from tests.pkg.waiting import until_true
from tests.platform.people import at, value_of
from tests.platform.service_accounts.front_door import TOKEN, FrontDoor, front_door
from tests.tables import everything_in

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
RSA = RSAKey.generate_key(2048)
EC = ECKey.generate_key("P-256")
DEADLINE_SECONDS = 5.0


@pytest_asyncio.fixture(scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory, database_url_of_module: str) -> AsyncIterator[FrontDoor]:
    async with front_door(tmp_path_factory.mktemp("door"), database_url_of_module) as opened:
        yield opened


URL = "http://127.0.0.1:7070"


async def account(door: FrontDoor, *scopes: str, key: Any = None) -> ServiceAccount:
    new = NewServiceAccount("reports", scopes or ("data:read",), key)
    return await door.platform.create_service_account(at(door.project), new)


def credentials(of: ServiceAccount) -> dict[str, str]:
    assert of.client_secret is not None
    return {"client_id": of.client_id, "client_secret": of.client_secret}


async def token_of(door: FrontDoor, of: ServiceAccount) -> str:
    answer = await door.ask(**credentials(of))
    return str(answer.raise_for_status().json()["access_token"])


def assertion(client: str, key: Any = RSA, algorithm: str = "RS256", **claims: Any) -> str:
    now = int(time.time())
    said = {"iss": client, "sub": client, "aud": URL, "iat": now, "exp": now + 300}
    kept = {name: value for name, value in (said | {"jti": f"jti_{time.perf_counter_ns()}"} | claims).items() if value}
    return jwt.encode({"alg": algorithm}, kept, key, algorithms=[algorithm])


async def test_a_stock_client_gets_a_token_and_reads_documents_with_it(door: FrontDoor) -> None:
    made = await account(door)
    # Authlib uses httpx2 if it is installed, and `mcp` installs httpx2.
    transport = ASGITransport(app=door.transport.app)
    client = AsyncOAuth2Client(
        made.client_id, made.client_secret, scope="data:posts:read", transport=transport, base_url="http://test"
    )
    async with client:
        token = await client.fetch_token(f"http://test{TOKEN}", grant_type="client_credentials")
        read = await client.get("http://test/v1/data/posts")

    assert (token["token_type"], token["expires_in"], token["scope"]) == ("Bearer", 600, "data:posts:read")
    assert read.status_code == 200
    caller = door.bundoc.seen[-1]
    assert (caller.kind, caller.project, caller.scopes) == (CallerKind.SECRET, door.project.id, ("data:posts:read",))


async def test_a_token_names_its_project_and_nobody_may_store_it(door: FrontDoor) -> None:
    made = await account(door, "data:read", "users:read")

    answer = await door.ask(**credentials(made))

    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    claims = unverified_claims(answer.json()["access_token"])
    assert (claims["aud"], claims["sub"], claims["type"]) == (door.project.id, made.client_id, "service")
    assert claims["scope"] == answer.json()["scope"] == "data:read users:read"
    assert claims["exp"] - claims["iat"] == 600


async def test_a_secret_key_gets_a_token_with_fewer_scopes(door: FrontDoor) -> None:
    whole = value_of(door.project.keys[1])
    limited = await door.platform.create_key(
        at(door.project), CallerKind.SECRET, "ci", None, KeyLimits(scopes=("data:read",))
    )

    narrowed = await door.ask(client_secret=whole, scope="data:posts:read")
    unnamed = await door.ask(client_secret=whole)
    wider = await door.ask(client_secret=value_of(limited), scope="data:write")
    same = await door.ask(client_secret=value_of(limited))

    assert (narrowed.status_code, narrowed.json()["scope"]) == (200, "data:posts:read")
    assert [(one.status_code, one.json()["error"]) for one in (unnamed, wider)] == [(400, "invalid_scope")] * 2
    assert same.json()["scope"] == "data:read"
    assert (await door.list_posts(narrowed.json()["access_token"])).status_code == 200


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256")], ids=["RSA", "EC"])
@pytest.mark.parametrize("form", ["JWK", "PEM"])
async def test_a_private_key_proves_the_client(door: FrontDoor, key: Any, algorithm: str, form: str) -> None:
    public = key.as_dict(private=False) if form == "JWK" else key.as_pem(private=False).decode()
    made = await account(door, key=public)
    proof = assertion(made.client_id, key, algorithm)

    first = await door.ask(client_assertion_type=ASSERTION, client_assertion=proof)
    again = await door.ask(client_assertion_type=ASSERTION, client_assertion=proof)

    assert (made.client_secret, first.status_code) == (None, 200)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "https://elsewhere.example"},
        {"aud": f"{URL}{TOKEN}"},
        {"aud": [URL, "https://elsewhere.example"]},
        {"aud": None},
        {"sub": "sa_other"},
        {"exp": int(time.time()) - 10},
        {"exp": int(time.time()) + 7200},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": int(time.time()) + 3600},
        {"jti": None},
        {"jti": "x" * 300},
        {"key": RSAKey.generate_key(2048)},
    ],
    ids=[
        "aud",
        "token endpoint",
        "two servers",
        "no aud",
        "sub",
        "expired",
        "exp",
        "no exp",
        "exp text",
        "nbf",
        "no jti",
        "long jti",
        "key",
    ],
)
async def test_a_wrong_assertion_is_refused(door: FrontDoor, wrong: dict[str, Any]) -> None:
    made = await account(door, key=RSA.as_dict(private=False))
    proof = assertion(made.client_id, **wrong)

    answer = await door.ask(client_assertion_type=ASSERTION, client_assertion=proof)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_two_requests_at_once_use_an_assertion_once(door: FrontDoor) -> None:
    made = await account(door, key=RSA.as_dict(private=False))
    proof = assertion(made.client_id)

    answers = await asyncio.gather(
        *(door.ask(client_assertion_type=ASSERTION, client_assertion=proof) for _ in range(3))
    )

    assert sorted(answer.status_code for answer in answers) == [200, 401, 401]


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_id": "sa_unknown", "client_secret": "scs_x"}, 401, "invalid_client"),
        ({"client_id": "sa_\0", "client_secret": "scs_x"}, 401, "invalid_client"),
        ({}, 401, "invalid_client"),
        ({"client_secret": "sk_unknown"}, 401, "invalid_client"),
        ({"client_assertion": "x.y.z", "client_assertion_type": ASSERTION}, 401, "invalid_client"),
        ({"client_assertion": "x.y.z"}, 400, "invalid_request"),
    ],
)
async def test_a_refusal_has_the_code_of_the_standard(
    door: FrontDoor, form: dict[str, str], status: int, error: str
) -> None:
    answer = await door.ask(**form)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) is (status == 401)


async def test_a_body_that_is_no_form_is_refused(door: FrontDoor) -> None:
    json = await door.http.post(TOKEN, json={"grant_type": "client_credentials"})
    twice = await door.http.post(
        TOKEN,
        content=b"grant_type=client_credentials&scope=read&scope=admin",
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    both = await door.http.post(
        TOKEN, data={"grant_type": "client_credentials", "client_secret": "x"}, auth=("sa_x", "y")
    )

    assert [(one.status_code, one.json()["error"]) for one in (json, twice, both)] == [(400, "invalid_request")] * 3


async def test_a_publishable_key_gets_no_token(door: FrontDoor) -> None:
    answer = await door.ask(client_id="x", client_secret=value_of(door.project.keys[0]), scope="data:read")

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def refused_soon(door: FrontDoor, token: str) -> None:
    async def is_refused() -> bool:
        return (await door.list_posts(token)).status_code != 200

    await until_true(is_refused)
    answer = await door.list_posts(token)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


async def test_a_token_ends_with_its_service_account(door: FrontDoor) -> None:
    made = await account(door)
    token = await token_of(door, made)
    assert (await door.list_posts(token)).status_code == 200

    await door.platform.delete_service_account(at(door.project), made.client_id)

    await refused_soon(door, token)
    assert (await door.ask(**credentials(made))).status_code == 401


async def test_a_token_ends_with_its_secret_key(door: FrontDoor) -> None:
    key = await door.platform.create_key(at(door.project), CallerKind.SECRET, "ci", None)
    token = (await door.ask(client_secret=value_of(key), scope="data:read")).json()["access_token"]
    assert (await door.list_posts(token)).status_code == 200

    await door.platform.revoke_key(at(door.project), key.id)

    await refused_soon(door, token)


async def test_a_token_ends_if_its_key_gets_fewer_scopes(door: FrontDoor) -> None:
    limits = KeyLimits(scopes=("data:read",))
    key = await door.platform.create_key(at(door.project), CallerKind.SECRET, "ci", None, limits)
    token = (await door.ask(client_secret=value_of(key))).json()["access_token"]
    assert (await door.list_posts(token)).status_code == 200

    await door.platform.update_key(at(door.project), key.id, KeyChanges(scopes=("data:drafts:read",)))

    await refused_soon(door, token)


async def test_a_token_needs_the_scope_of_the_route(door: FrontDoor) -> None:
    token = await token_of(door, await account(door, "users:read"))

    for method, path in (("GET", "/v1/data/posts"), ("GET", "/v1/changes"), ("POST", "/v1/jobs")):
        answer = await door.http.request(method, path, headers={"authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


async def test_a_token_is_refused_in_browsers_and_as_an_end_users_token(door: FrontDoor) -> None:
    token = await token_of(door, await account(door))

    page = await door.list_posts(token, origin="https://app.example")
    beside_a_key = await door.list_posts(token, **{"x-bunbase-key": value_of(door.project.keys[0])})
    sign_in = await door.http.post("/v1/auth/login", json={}, headers={"authorization": f"Bearer {token}"})
    control = await door.http.get("/api/projects", headers={"authorization": f"Bearer {token}"})

    assert (page.status_code, page.json()["code"]) == (403, "secret_key_in_browser")
    assert (beside_a_key.status_code, beside_a_key.json()["code"]) == (401, "invalid_token")
    assert sign_in.status_code == 401
    assert control.status_code == 401


@pytest.mark.parametrize(
    "change", [{"type": "user"}, {"aud": "other"}, {"exp": 1}, {"sub": "sa_unknown"}, {"scope": 7}]
)
async def test_a_signed_token_with_other_claims_is_refused(door: FrontDoor, change: dict[str, Any]) -> None:
    """The project's key also signs the tokens of end users."""
    claims = unverified_claims(await token_of(door, await account(door))) | change
    if claims["aud"] == "other":
        claims["aud"] = door.other.id
    key = RSAKey.import_key(
        door.kms.signing[door.project.id].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    token = jwt.encode({"alg": "RS256", "kid": f"{door.project.id}-1"}, claims, key, algorithms=["RS256"])

    assert (await door.list_posts(token)).status_code == 401


@pytest.mark.parametrize(
    "new",
    [
        NewServiceAccount("", ("data:read",)),
        NewServiceAccount("x", ()),
        NewServiceAccount("x", ("everything",)),
        NewServiceAccount("x", ("data:read",), "no key"),
        NewServiceAccount("x", ("data:read",), {"kty": "oct", "k": "c2VjcmV0"}),
        NewServiceAccount("x", ("data:read",), RSA.as_dict(private=True)),
        NewServiceAccount("x", ("data:read",), ECKey.generate_key("P-384").as_dict(private=False)),
        NewServiceAccount("x", ("data:read",), {"kty": "RSA", "n": "_" * 512, "e": "_" * 500}),
    ],
    ids=["name", "no scopes", "scope", "no key", "oct", "private", "curve", "exponent"],
)
async def test_a_wrong_account_is_refused(door: FrontDoor, new: NewServiceAccount) -> None:
    with pytest.raises(InvalidInput):
        await door.platform.create_service_account(at(door.project), new)


async def test_accounts_are_listed_without_secrets_and_belong_to_one_project(door: FrontDoor) -> None:
    made = await account(door)

    listed = (await door.platform.service_accounts(at(door.project))).items

    assert listed[0].client_id == made.client_id
    assert all(one.client_secret is None for one in listed)
    assert (await door.platform.service_accounts(at(door.other))).items == ()
    with pytest.raises(ServiceAccountNotFound):
        await door.platform.delete_service_account(at(door.other), made.client_id)


async def test_the_tables_contain_no_client_secret(door: FrontDoor, database_url_of_module: str) -> None:
    made = await account(door)

    stored = await everything_in(database_url_of_module, "platform")

    assert made.client_secret is not None
    assert made.client_secret.removeprefix("scs_").encode() not in stored
    assert made.client_id.encode() in stored
