"""A fake server in memory on a real port, with the part of the API that the `bunbase` command needs."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from litestar import Litestar, Response, delete, get, patch, post, put
from litestar.di import Provide
from litestar.params import FromPath, FromQuery

from bunbase.bundoc.permissions.list_warnings import warnings_for
from bunbase.bundoc.permissions.rule_tests import Trial, read_batch
from bunbase.bundoc.rules.ruleset import RuleSet
from bunbase.contracts.bunauth.accounts import SignedIn
from bunbase.contracts.bunauth.administration import ManagedAccount, ManagedAccounts
from bunbase.contracts.bunauth.devices import DeviceLogin
from bunbase.contracts.bunauth.openid import ClientKind, NewOAuthClient, OAuthClient, OAuthClients
from bunbase.contracts.bunauth.tokens import PersonalToken, PersonalTokens, UsedToken
from bunbase.contracts.bundoc.collections import Rules
from bunbase.contracts.bundoc.documents import KeyState
from bunbase.contracts.caller import CallerKind, Role
from bunbase.contracts.platform import (
    ConfirmationNeeded,
    Key,
    Keys,
    NewProject,
    Project,
    Projects,
)
from bunbase.contracts.s3_credentials import NewS3Credential, S3Credential, S3Credentials
from bunbase.contracts.service_accounts import NewServiceAccount, ServiceAccount, ServiceAccounts
from bunbase.contracts.tenant_auth.problems import UserNotFound
from bunbase.contracts.tenant_auth.sessions import CustomToken, UserSignedIn
from bunbase.pkg.errors import Problem
from bunbase.pkg.http import Injected
from bunbase.pkg.serve import listen, serving
from tests.cli.fake_accounts import ACCOUNT_ROUTES
from tests.cli.fake_api import EMAIL, NOW, REQUEST_ID, AnyRequest, FakeApi
from tests.cli.fake_functions import FUNCTION_ROUTES
from tests.cli.fake_teams import TEAM_ROUTES
from tests.cli.fake_users import USER_ROUTES


@post("/api/auth/device", status_code=200)
async def device(api: Injected[FakeApi], request: AnyRequest) -> DeviceLogin:
    """Begin a sign-in of a device. The device first gets the errors in `api.device_errors`, and then its tokens."""
    api.device_client = (await request.json())["client"]
    return DeviceLogin("bdc_1", "WDJB-MJHT", f"{api.url}/device", f"{api.url}/device?user_code=WDJB-MJHT", 600, 0)


@post("/api/auth/device/token", status_code=200)
async def device_token(api: Injected[FakeApi], request: AnyRequest) -> SignedIn:
    assert (await request.json())["device_code"] == "bdc_1"
    if api.device_errors:
        problem = api.device_errors.pop(0)
        raise problem(error=problem.code)
    return api.sign_in(EMAIL)


@get("/api/instance")
async def instance(api: Injected[FakeApi]) -> dict[str, bool | str]:
    facts = {"mode": "production" if api.in_production else "dev", "signups": api.signups}
    return {"setup_complete": api.setup_complete, "confirms_signups": api.verifies_signups, **facts}


@get("/.well-known/openid-configuration")
async def discovery(api: Injected[FakeApi]) -> dict[str, str]:
    return {"issuer": api.url}


@get("/api/admin/accounts")
async def list_accounts(api: Injected[FakeApi], request: AnyRequest, email: FromQuery[str] = "") -> ManagedAccounts:
    api.signed_in(request)
    found = [one for one in api.all_accounts if one.email.startswith(email.casefold())]
    return ManagedAccounts(tuple(found), None)


@get("/api/admin/accounts/{account:str}")
async def get_account(api: Injected[FakeApi], request: AnyRequest, account: FromPath[str]) -> ManagedAccount:
    api.signed_in(request)
    return next(one for one in api.all_accounts if one.id == account)


@post("/api/admin/accounts/{account:str}/suspend", status_code=200)
async def suspend_account(api: Injected[FakeApi], request: AnyRequest, account: FromPath[str]) -> ManagedAccount:
    api.signed_in(request)
    api.suspended.append(account)
    return next(one for one in api.all_accounts if one.id == account)


@post("/api/admin/accounts/{account:str}/reset-factors", status_code=204)
async def reset_factors(api: Injected[FakeApi], request: AnyRequest, account: FromPath[str]) -> None:
    api.signed_in(request)
    api.without_factors.append(account)


@get("/api/auth/me")
async def me(api: Injected[FakeApi], request: AnyRequest) -> dict[str, object]:
    api.signed_in(request)
    by_token = "bpt_" in request.headers["authorization"]
    return {"user": api.account(), "token": UsedToken("pat_1", ("data:read",), ("prj_1",)) if by_token else None}


@get("/api/projects")
async def list_projects(
    api: Injected[FakeApi], request: AnyRequest, cursor: FromQuery[int] = 0, deleted: FromQuery[bool] = False
) -> Projects:
    api.signed_in(request)
    if deleted:
        return Projects(tuple(api.deleted.values()), None)
    items = tuple(api.projects.values())[cursor : cursor + api.page]
    after = cursor + api.page
    return Projects(items, str(after) if after < len(api.projects) else None)


@post("/api/projects")
async def create_project(api: Injected[FakeApi], request: AnyRequest) -> NewProject:
    api.signed_in(request)
    name = (await request.json())["name"]
    org = (await request.json()).get("org", "")
    project = Project(f"prj_{len(api.projects) + 1}", name, name.lower(), Role.OWNER, NOW, org)
    api.projects[project.id] = project
    keys = tuple(api.new_key(project.id, kind) for kind in (CallerKind.PUBLISHABLE, CallerKind.SECRET))
    return NewProject(project.id, name, project.slug, Role.OWNER, NOW, keys)


@get("/api/projects/{project:str}")
async def get_project(api: Injected[FakeApi], request: AnyRequest, project: FromPath[str]) -> Project:
    api.signed_in(request)
    return api.project(project)


@delete("/api/projects/{project:str}", status_code=204)
async def delete_project(api: Injected[FakeApi], request: AnyRequest, project: FromPath[str]) -> None:
    api.signed_in(request)
    found = {**api.projects, **api.deleted}[project]
    body = await request.json()
    if body["confirm"] != found.slug:
        raise ConfirmationNeeded(f"Send the project's slug: {found.slug}.")
    api.projects.pop(found.id, None)
    api.deleted.pop(found.id, None)
    if not body.get("now"):
        api.deleted[found.id] = found


@get("/api/projects/{project:str}/keys")
async def list_keys(api: Injected[FakeApi], request: AnyRequest, project: FromPath[str]) -> Keys:
    api.signed_in(request)
    return Keys(tuple(key for of, key in api.keys.values() if of == api.project(project).id))


@post("/api/projects/{project:str}/keys")
async def create_key(api: Injected[FakeApi], request: AnyRequest, project: FromPath[str]) -> Key:
    api.signed_in(request)
    body = await request.json()
    return api.new_key(api.project(project).id, CallerKind(body["kind"]), body["name"])


@post("/api/projects/{project:str}/keys/{id:str}/rotate")
async def rotate_key(api: Injected[FakeApi], request: AnyRequest, project: FromPath[str], id: FromPath[str]) -> Key:
    api.signed_in(request)
    old = next(key for _, key in api.keys.values() if key.id == id)
    return api.new_key(api.project(project).id, old.kind, old.name)


@post("/api/projects/{project:str}/data-key/rotate", status_code=202)
async def rotate_data_key(api: Injected[FakeApi], request: AnyRequest, project: FromPath[str]) -> KeyState:
    api.signed_in(request)
    api.project(project)
    return KeyState(1, None, rotating=True, progress=0.0)


@get("/api/projects/{project:str}/data-key")
async def get_data_key(api: Injected[FakeApi], request: AnyRequest, project: FromPath[str]) -> KeyState:
    api.signed_in(request)
    api.project(project)
    return KeyState(1, "2026-11-23T12:00:00.000Z", rotating=False, failed=api.rotation_failed)


@delete("/api/projects/{project:str}/keys/{id:str}", status_code=204)
async def revoke_key(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> None:
    api.signed_in(request)
    api.keys = {value: found for value, found in api.keys.items() if found[1].id != id}


@patch("/api/projects/{project:str}/keys/{id:str}")
async def update_key(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> Key:
    api.signed_in(request)
    value, (of, old) = next((value, found) for value, found in api.keys.items() if found[1].id == id)
    changed = msgspec.convert(msgspec.to_builtins(old) | await request.json(), Key)
    api.keys[value] = (of, changed)
    return changed


@get("/api/projects/{project:str}/service-accounts")
async def list_service_accounts(api: Injected[FakeApi], request: AnyRequest) -> ServiceAccounts:
    api.signed_in(request)
    return ServiceAccounts(tuple(api.service_accounts))


@post("/api/projects/{project:str}/service-accounts")
async def create_service_account(api: Injected[FakeApi], request: AnyRequest) -> ServiceAccount:
    api.signed_in(request)
    new = msgspec.convert(await request.json(), NewServiceAccount)
    key = None if new.public_key is None else {"pem": new.public_key}
    made = ServiceAccount(f"sa_{len(api.service_accounts) + 1}", new.name, new.scopes, NOW, None, key)
    api.service_accounts.append(made)
    return made if key else msgspec.structs.replace(made, client_secret="scs_1")


@delete("/api/projects/{project:str}/service-accounts/{id:str}", status_code=204)
async def delete_service_account(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> None:
    api.signed_in(request)
    api.service_accounts = [one for one in api.service_accounts if one.client_id != id]


@get("/api/projects/{project:str}/storage/credentials")
async def list_s3_credentials(api: Injected[FakeApi], request: AnyRequest) -> S3Credentials:
    api.signed_in(request)
    return S3Credentials(tuple(api.s3_credentials))


@post("/api/projects/{project:str}/storage/credentials")
async def create_s3_credential(api: Injected[FakeApi], request: AnyRequest) -> S3Credential:
    api.signed_in(request)
    new = msgspec.convert(await request.json(), NewS3Credential)
    made = S3Credential(f"BBAK{len(api.s3_credentials) + 1}", new.name, new.access, NOW, new.buckets)
    api.s3_credentials.append(made)
    return msgspec.structs.replace(made, secret_access_key="secret_1")


@delete("/api/projects/{project:str}/storage/credentials/{id:str}", status_code=204)
async def delete_s3_credential(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> None:
    api.signed_in(request)
    api.s3_credentials = [one for one in api.s3_credentials if one.access_key_id != id]


@get("/api/auth/tokens")
async def list_tokens(api: Injected[FakeApi], request: AnyRequest) -> PersonalTokens:
    api.signed_in(request)
    return PersonalTokens(tuple(api.personal_tokens))


@post("/api/auth/tokens")
async def create_token(api: Injected[FakeApi], request: AnyRequest) -> PersonalToken:
    api.signed_in(request)
    new = await request.json()
    scopes, projects = tuple(new["scopes"]), tuple(new.get("projects", ()))
    made = PersonalToken(f"tok_{len(api.personal_tokens) + 1}", new["name"], scopes, NOW, None, None, projects)
    api.personal_tokens.append(made)
    return msgspec.structs.replace(made, token="bpt_1")


@delete("/api/auth/tokens/{id:str}", status_code=204)
async def delete_token(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> None:
    api.signed_in(request)
    api.personal_tokens = [one for one in api.personal_tokens if one.id != id]


@get("/api/admin/oauth-clients")
async def list_oauth_clients(api: Injected[FakeApi], request: AnyRequest) -> OAuthClients:
    api.signed_in(request)
    return OAuthClients(tuple(api.oauth_clients))


@post("/api/admin/oauth-clients")
async def create_oauth_client(api: Injected[FakeApi], request: AnyRequest) -> OAuthClient:
    api.signed_in(request)
    new = msgspec.convert(await request.json(), NewOAuthClient)
    made = OAuthClient(f"oac_{len(api.oauth_clients) + 1}", new.name, new.kind, new.redirect_uris, NOW, new.first_party)
    api.oauth_clients.append(made)
    secret = "ocs_1" if new.kind is ClientKind.CONFIDENTIAL else None
    return msgspec.structs.replace(made, client_secret=secret)


@post("/api/admin/oauth-clients/{id:str}/rotate", status_code=200)
async def rotate_oauth_client(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> OAuthClient:
    api.signed_in(request)
    return msgspec.structs.replace(next(one for one in api.oauth_clients if one.id == id), client_secret="ocs_2")


@delete("/api/admin/oauth-clients/{id:str}", status_code=204)
async def delete_oauth_client(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> None:
    api.signed_in(request)
    api.oauth_clients = [one for one in api.oauth_clients if one.id != id]


@post("/v1/rules/test", status_code=200)
async def try_rules(api: Injected[FakeApi], request: AnyRequest) -> Response[bytes]:
    """Evaluate the rules as the real service does, on the documents in the request."""
    api.signed_in(request)
    assert request.headers["x-bunbase-project"]
    batch, _ = read_batch(await request.body())
    rules = {name: RuleSet(sent) for name, sent in (batch.rules or {}).items()}
    trial = Trial(batch, rules, NOW)
    decisions = trial.run(lambda _collection, _id: None)
    warnings = warnings_for(rules.items(), (), read_seconds=5.0)
    answer = {"items": decisions, "coverage": trial.covered(), "warnings": warnings}
    return Response(msgspec.json.encode(answer), media_type="application/json")


@get("/v1/collections")
async def list_collections(api: Injected[FakeApi], request: AnyRequest) -> dict[str, Any]:
    api.signed_in(request)
    assert request.headers["x-bunbase-project"]
    names = sorted(api.schemas.keys() | api.rules.keys())
    return {"items": [shown_collection(api, name) for name in names], "next": None}


def shown_collection(api: FakeApi, name: str) -> dict[str, Any]:
    rules = {"rules": api.rules[name]} if name in api.rules else {}
    return {"name": name, "created_at": "2026-11-29T00:00:00.000Z", **api.schemas.get(name, {}), **rules}


@put("/v1/collections/{name:str}", status_code=200)
async def put_collection(api: Injected[FakeApi], request: AnyRequest, name: FromPath[str]) -> dict[str, Any]:
    api.signed_in(request)
    spec = await request.json()
    if "rules" in spec:
        api.rules[name] = spec["rules"]
    if "schema" in spec:
        api.schemas[name] = spec
    rules = RuleSet(msgspec.convert(api.rules.get(name) or {}, Rules))
    return {**shown_collection(api, name), "warnings": warnings_for([(name, rules)], (), read_seconds=5.0)}


@get("/v1/storage/buckets")
async def get_buckets(api: Injected[FakeApi], request: AnyRequest) -> dict[str, Any]:
    api.signed_in(request)
    return {"items": []}


@get("/v1/channels")
async def get_channels(api: Injected[FakeApi], request: AnyRequest) -> dict[str, Any]:
    api.signed_in(request)
    return {"channels": {}}


@post("/v1/auth/custom-token", status_code=200)
async def make_custom_token(api: Injected[FakeApi], request: AnyRequest) -> CustomToken:
    api.administrator(request)
    uid = (await request.json())["uid"]
    if uid not in api.users:
        raise UserNotFound
    return CustomToken(f"custom {uid}", 300)


@post("/v1/auth/login/custom-token", status_code=200)
async def use_custom_token(api: Injected[FakeApi], request: AnyRequest) -> UserSignedIn:
    assert request.headers["x-bunbase-key"] in api.keys
    uid = (await request.json())["token"].removeprefix("custom ")
    api.sessions.add(f"at_{uid}")
    return UserSignedIn(api.users[uid], f"at_{uid}", "rt", 900)


@post("/v1/auth/logout", status_code=204)
async def end_user_session(api: Injected[FakeApi], request: AnyRequest) -> None:
    api.sessions.remove(request.headers["authorization"].removeprefix("Bearer "))


def on_problem(_request: AnyRequest, problem: Problem) -> Response[bytes]:
    body = msgspec.json.encode(problem.body(REQUEST_ID))
    return Response(body, status_code=problem.status, media_type="application/problem+json")


ROUTES = (
    device,
    device_token,
    instance,
    reset_factors,
    discovery,
    get_account,
    list_accounts,
    suspend_account,
    me,
    list_projects,
    create_project,
    get_project,
    delete_project,
    list_keys,
    create_key,
    update_key,
    list_service_accounts,
    create_service_account,
    delete_service_account,
    list_s3_credentials,
    create_s3_credential,
    delete_s3_credential,
    list_tokens,
    create_token,
    delete_token,
    list_oauth_clients,
    create_oauth_client,
    rotate_oauth_client,
    delete_oauth_client,
    rotate_key,
    rotate_data_key,
    get_data_key,
    revoke_key,
    try_rules,
    list_collections,
    get_channels,
    get_buckets,
    put_collection,
    make_custom_token,
    use_custom_token,
    end_user_session,
    *ACCOUNT_ROUTES,
    *FUNCTION_ROUTES,
    *TEAM_ROUTES,
    *USER_ROUTES,
)


class FakeServer:
    """A server whose state tests can replace, because starting a server for every test would take a minute."""

    def __init__(self) -> None:
        self.api = FakeApi("")
        self.app = Litestar(
            ROUTES,
            dependencies={"api": Provide(lambda: self.api, sync_to_thread=False)},
            exception_handlers={Problem: on_problem},
            openapi_config=None,
            logging_config=None,
        )


@contextmanager
def running() -> Iterator[FakeServer]:
    """Run a server on a free port in a thread until the block ends."""
    server, stop = FakeServer(), asyncio.Event()
    up: queue.Queue[asyncio.AbstractEventLoop] = queue.Queue()

    async def serve() -> None:
        async with serving(server.app, listener) as server.api.url:
            up.put(asyncio.get_running_loop())
            await stop.wait()

    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        loop = up.get(timeout=10)
        try:
            yield server
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
