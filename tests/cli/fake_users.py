"""The routes of the fake server about the users of a project."""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from bunbase.contracts.tenant_auth.activity import ActedBy, ManagedActivity, ManagedActivityEntry, UserActOutcome
from bunbase.contracts.tenant_auth.bulk import BulkChange, BulkResult, NotChanged
from bunbase.contracts.tenant_auth.impersonation import HandedLink, Impersonated, NewHandedLink, NewImpersonation
from bunbase.contracts.tenant_auth.problems import UserInviteNotFound, UserNotFound
from bunbase.contracts.tenant_auth.settings import ShownAuth
from bunbase.contracts.tenant_auth.signing_keys import RotatedKeys
from bunbase.contracts.tenant_auth.signups import NewUserInvite, OpenUserInvite, OpenUserInvites, UserInvite
from bunbase.contracts.tenant_auth.transfers import ImportedUsers, OnConflict
from bunbase.contracts.tenant_auth.users import ManagedUser, ManagedUsers, NewUser
from bunbase.pkg.http import Injected
from bunbase.pkg.ndjson import NDJSON, ImportLine, RefusedLine
from bunbase.tenant_auth.import_batches import ImportingUsers
from bunbase.tenant_auth.import_lines import read_user
from bunbase.tenant_auth.import_plan import Known, planned
from bunbase.tenant_auth.service.settings import shown_auth
from bunbase.tenant_auth.settings_patch import checked, merged, split
from bunbase.tenant_auth.store.settings import StoredSettings
from tests.cli.fake_api import NOW, AnyRequest, FakeApi

HASH: Final = "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"


@get("/v1/auth/users")
async def list_users(
    api: Injected[FakeApi],
    request: AnyRequest,
    email: FromQuery[str] = "",
    phone: FromQuery[str] = "",
    banned: FromQuery[str] = "",
    limit: FromQuery[int] = 50,
    cursor: FromQuery[int] = 0,
) -> ManagedUsers:
    """Return at most `api.page` users."""
    api.administrator(request)
    found = [
        user
        for user in api.users.values()
        if email in ("", user.email) and phone in ("", user.phone) and banned in ("", str(user.banned).lower())
    ]
    end = cursor + min(limit, api.page)
    return ManagedUsers(tuple(found[cursor:end]), str(end) if len(found) > end else None)


@get("/v1/auth/users/{id:str}")
async def get_user(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> ManagedUser:
    api.administrator(request)
    if id not in api.users:
        raise UserNotFound
    return api.users[id]


@post("/v1/auth/users")
async def create_user(api: Injected[FakeApi], request: AnyRequest) -> ManagedUser:
    api.administrator(request)
    new = msgspec.convert(await request.json(), NewUser)
    id = f"usr_{len(api.users) + 1}"
    api.add_user(id, new.email)
    shown = {
        "name": new.name,
        "phone": new.phone,
        "role": new.role,
        "email_verified": new.email_verified,
        "has_password": new.password is not None,
    }
    api.users[id] = msgspec.structs.replace(api.users[id], **shown)
    return api.users[id]


@post("/v1/auth/invites")
async def invite_user(api: Injected[FakeApi], request: AnyRequest) -> UserInvite:
    api.administrator(request)
    new = msgspec.convert(await request.json(), NewUserInvite)
    api.user_invites.append(OpenUserInvite(f"uin_{len(api.user_invites) + 1}", new.email, new.role, NOW, NOW))
    url = f"{api.url}/v1/auth/ui/sign-up?project=prj_1&token=umt_1"
    return UserInvite(api.user_invites[-1].id, new.email, new.role, NOW, url)


@get("/v1/auth/invites")
async def list_user_invites(api: Injected[FakeApi], request: AnyRequest, cursor: FromQuery[int] = 0) -> OpenUserInvites:
    """Return one invitation a page."""
    api.administrator(request)
    more = len(api.user_invites) > cursor + 1
    return OpenUserInvites(tuple(api.user_invites[cursor : cursor + 1]), str(cursor + 1) if more else None)


@delete("/v1/auth/invites/{id:str}", status_code=204)
async def withdraw_user_invite(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> None:
    api.administrator(request)
    left = [one for one in api.user_invites if one.id != id]
    if left == api.user_invites:
        raise UserInviteNotFound
    api.user_invites = left


@post("/v1/auth/users/{id:str}/links")
async def make_link(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> HandedLink:
    api.administrator(request)
    new = msgspec.convert(await request.json(), NewHandedLink)
    return HandedLink(new.kind, api.users[id].email or "", NOW, f"{api.url}/v1/auth/ui/{new.kind}?token=umt_2")


@post("/v1/auth/users/{id:str}/impersonate")
async def impersonate(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> Impersonated:
    api.administrator(request)
    msgspec.convert(await request.json(), NewImpersonation)
    return Impersonated(api.users[id], "eyJ.for.eve", 900, "ses_1", "usr_ada")


@post("/v1/auth/users/bulk", status_code=200)
async def change_users(api: Injected[FakeApi], request: AnyRequest) -> BulkResult:
    api.administrator(request)
    change = msgspec.convert(await request.json(), BulkChange)
    ids = set(change.ids or ())
    api.bulk.append((change.action, len(ids)))
    unknown = tuple(NotChanged(id, "user_not_found") for id in sorted(ids - api.users.keys()))
    return BulkResult(change.action, len(ids) - len(unknown), "digest", unknown)


@patch("/v1/auth/users/{id:str}")
async def update_user(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> ManagedUser:
    api.administrator(request)
    changes = await request.json()
    api.changes.append(changes)
    known = {name: value for name, value in changes.items() if name != "password"}
    api.users[id] = msgspec.convert(msgspec.to_builtins(api.users[id]) | known, ManagedUser)
    return api.users[id]


@post("/v1/auth/users/import", status_code=200)
async def import_users(
    api: Injected[FakeApi], request: AnyRequest, on_conflict: FromQuery[str] = "skip", dry_run: FromQuery[bool] = False
) -> ImportedUsers:
    """Read lines and decide about them as the server does."""
    api.administrator(request)

    async def send(lines: tuple[ImportLine, ...]) -> ImportedUsers:
        known = Known(set(api.users), {user.email: id for id, user in api.users.items() if user.email}, {}, {})
        plan = planned([read_user(line, NOW) for line in lines], known, OnConflict(on_conflict))
        for one in plan.new if not dry_run else ():
            api.add_user(one.id, one.line.email or "")
        errors = tuple(RefusedLine(at, problem.code, problem.detail) for at, problem in plan.refused)
        return ImportedUsers(len(plan.new), len(plan.known), plan.skipped, len(errors), lines[-1].number, errors)

    importing = ImportingUsers(send)
    await importing.feed(await request.body())
    return await importing.end()


@get("/v1/auth/users/export")
async def export_users(api: Injected[FakeApi], request: AnyRequest, hashes: FromQuery[bool] = False) -> Stream:
    api.administrator(request)
    lines = [
        {"id": user.id, "email": user.email} | ({"password_hash": HASH} if hashes else {})
        for user in api.users.values()
    ]
    return Stream([msgspec.json.encode(line) + b"\n" for line in lines], media_type=NDJSON)


@delete("/v1/auth/users/{id:str}", status_code=204)
async def delete_user(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> None:
    api.administrator(request)
    del api.users[id]


@delete("/v1/auth/users/{id:str}/sessions", status_code=204)
async def end_user_sessions(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> None:
    api.administrator(request)
    api.sessions.discard(f"at_{id}")


@get("/api/projects/{project:str}/auth")
async def get_auth(api: Injected[FakeApi], request: AnyRequest, project: FromPath[str]) -> ShownAuth:
    api.signed_in(request)
    api.project(project)
    return shown_auth(api.auth)


@patch("/api/projects/{project:str}/auth")
async def change_auth(api: Injected[FakeApi], request: AnyRequest, project: FromPath[str]) -> ShownAuth:
    """Apply the patch as the server does. `sealed` has the secrets in plain text."""
    api.signed_in(request)
    assert request.headers["if-match"] == f'"{api.auth.version}"'
    plain, secrets = split(await request.json())
    result = merged(api.auth_json, plain)
    sealed = {**api.auth.sealed, **{name: secret or "" for name, secret in secrets.items()}}
    settings = checked(plain, result, "https://bunbase.example")
    if (result, sealed) != (api.auth_json, api.auth.sealed):
        api.auth_json, api.auth = result, StoredSettings(settings, sealed, api.auth.version + 1)
    return shown_auth(api.auth)


@post("/api/projects/{project:str}/auth/signing-keys/rotate", status_code=200)
async def rotate_user_keys(api: Injected[FakeApi], request: AnyRequest, project: FromPath[str]) -> RotatedKeys:
    api.signed_in(request)
    api.project(project)
    return RotatedKeys(("new",), ("old",) if (await request.json())["now"] else ())


@get("/api/projects/{project:str}/auth/activity")
async def list_activity(api: Injected[FakeApi], request: AnyRequest, user: FromQuery[str] = "") -> ManagedActivity:
    """Return the sign-ins of all users, or of one user."""
    api.signed_in(request)
    done, by = UserActOutcome.DONE, ActedBy.USER
    return ManagedActivity(
        tuple(
            ManagedActivityEntry(f"uac_{id}", NOW, "user.sign_in", done, by, "203.0.113.7", "Phone", user=id)
            for id in api.users
            if user in ("", id)
        )
    )


USER_ROUTES: Final = (
    list_activity,
    rotate_user_keys,
    get_auth,
    change_auth,
    list_users,
    import_users,
    export_users,
    get_user,
    create_user,
    invite_user,
    change_users,
    make_link,
    impersonate,
    list_user_invites,
    withdraw_user_invite,
    update_user,
    delete_user,
    end_user_sessions,
)
