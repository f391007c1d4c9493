"""The routes of the fake server about members, invitations and organisations."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery

from bunbase.contracts.audit import ActorKind, AuditActor, AuditEntry, AuditOutcome, AuditPage
from bunbase.contracts.bunauth.accounts import SignupPending
from bunbase.contracts.bunauth.problems import EmailTaken, LinkExpired
from bunbase.contracts.caller import Role
from bunbase.contracts.platform import (
    AcceptedInvite,
    Invite,
    InvitedSignIn,
    InviteNotFound,
    Invites,
    Member,
    Members,
    Organisation,
    OrganisationNotFound,
    Organisations,
    Person,
    Project,
    ProjectNotFound,
    Through,
)
from bunbase.pkg.http import Injected
from tests.cli.fake_api import NOW, AnyRequest, FakeApi

GROUPS: Final = ("/api/projects/{ref:str}", "/api/orgs/{ref:str}")


def paths(below: str) -> list[str]:
    return [group + below for group in GROUPS]


@get([*paths("/audit"), "/api/admin/audit"])
async def audit(api: Injected[FakeApi], request: AnyRequest) -> AuditPage:
    api.signed_in(request)
    entry = AuditEntry("aud_1", NOW, AuditActor(ActorKind.ANONYMOUS, ""), request.url.path, "", "", AuditOutcome.DONE)
    return AuditPage((entry,), None)


def group_of(api: FakeApi, request: AnyRequest) -> str:
    """Return the path of the project or organisation, with its id."""
    api.signed_in(request)
    _, _, kind, ref, *_ = request.url.path.split("/")
    if kind == "orgs":
        return f"/api/orgs/{org_of(api, ref).id}"
    return f"/api/projects/{api.project(ref).id}"


def org_of(api: FakeApi, ref: str) -> Organisation:
    for org in api.orgs.values():
        if ref in (org.id, org.slug):
            return org
    raise OrganisationNotFound


def member(id: str, role: Role) -> Member:
    name = id.removeprefix("usr_")
    return Member(Person(id, f"{name}@example.com", name.title()), role, NOW, Through.PROJECT)


@get(paths("/members"))
async def list_members(api: Injected[FakeApi], request: AnyRequest) -> Members:
    found = api.members.get(group_of(api, request), {})
    return Members(tuple(member(id, role) for id, role in found.items()), None)


@post(paths("/members"))
async def add_member(api: Injected[FakeApi], request: AnyRequest) -> Member:
    body = await request.json()
    api.members.setdefault(group_of(api, request), {})[body["user"]] = Role(body["role"])
    return member(body["user"], Role(body["role"]))


@patch(paths("/members/{user:str}"))
async def change_member(api: Injected[FakeApi], request: AnyRequest, user: FromPath[str]) -> Member:
    api.members[group_of(api, request)][user] = role = Role((await request.json())["role"])
    return member(user, role)


@delete(paths("/members/{user:str}"), status_code=204)
async def remove_member(api: Injected[FakeApi], request: AnyRequest, user: FromPath[str]) -> None:
    del api.members[group_of(api, request)][user]


@get(paths("/invites"))
async def list_invites(api: Injected[FakeApi], request: AnyRequest) -> Invites:
    group = group_of(api, request)
    return Invites(tuple(invite for of, invite in api.invites.values() if of == group), None)


@post(paths("/invites"))
async def create_invite(api: Injected[FakeApi], request: AnyRequest) -> Invite:
    body, id = await request.json(), f"ivt_{len(api.invites) + 1}"
    invite = Invite(id, body["email"], Role(body["role"]), NOW, NOW)
    api.invites[id] = group_of(api, request), invite
    return msgspec.structs.replace(invite, url=f"{api.url}/invite?token=binv_{id}")


@post(paths("/invites/{id:str}/resend"))
async def resend_invite(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> Invite:
    group_of(api, request)
    return msgspec.structs.replace(api.invites[id][1], url=f"{api.url}/invite?token=binv_again")


@delete(paths("/invites/{id:str}"), status_code=204)
async def delete_invite(api: Injected[FakeApi], request: AnyRequest, id: FromPath[str]) -> None:
    if api.invites.pop(id, ("", None))[0] != group_of(api, request):
        raise InviteNotFound


@post("/api/invites/accept", status_code=200)
async def accept_invite(api: Injected[FakeApi], request: AnyRequest) -> AcceptedInvite:
    api.signed_in(request)
    id = (await request.json())["token"].removeprefix("binv_")
    if id not in api.invites:
        raise LinkExpired
    group, invite = api.invites.pop(id)
    if group.startswith("/api/orgs/"):
        return AcceptedInvite(invite.role, org=org_of(api, group.rpartition("/")[2]))
    return AcceptedInvite(invite.role, project=api.project(group.rpartition("/")[2]))


@get(["/invite", "/account/invite"], media_type="text/html")
async def invite_page(api: Injected[FakeApi], token: FromQuery[str]) -> Response[str]:
    known = token.startswith("biv_") or token.removeprefix("binm_") in api.invites
    return Response("<h1>An invitation</h1>", status_code=200 if known else 410)


@post("/api/invites/register")
async def register_by_invite(api: Injected[FakeApi], request: AnyRequest) -> Response[Any]:
    """The token `binm_<id>` belongs to the link in the mail, and `binv_<id>` to the link that a member passed on."""
    body = await request.json()
    if body["token"].startswith("binv_"):
        assert body.keys() == {"token"}
        return Response(SignupPending(), status_code=202)
    if api.taken:
        raise EmailTaken
    _, invite = api.invites.pop(body["token"].removeprefix("binm_"))
    api.invited_as = body["name"], body["password"]
    signed_in = msgspec.structs.asdict(api.sign_in(invite.email))
    joined = AcceptedInvite(invite.role, project=api.project("prj_1"))
    return Response(InvitedSignIn(**signed_in, joined=joined))


@get("/api/orgs")
async def list_orgs(api: Injected[FakeApi], request: AnyRequest) -> Organisations:
    api.signed_in(request)
    return Organisations(tuple(api.orgs.values()), None)


@post("/api/orgs")
async def create_org(api: Injected[FakeApi], request: AnyRequest) -> Organisation:
    api.signed_in(request)
    name, id = (await request.json())["name"], f"org_{len(api.orgs) + 1}"
    api.orgs[id] = Organisation(id, name.lower(), name, Role.OWNER, NOW)
    return api.orgs[id]


@get("/api/orgs/{ref:str}")
async def get_org(api: Injected[FakeApi], request: AnyRequest, ref: FromPath[str]) -> Organisation:
    api.signed_in(request)
    return org_of(api, ref)


@patch("/api/orgs/{ref:str}")
async def rename_org(api: Injected[FakeApi], request: AnyRequest, ref: FromPath[str]) -> Organisation:
    api.signed_in(request)
    renamed = msgspec.structs.replace(org_of(api, ref), name=(await request.json())["name"])
    api.orgs[renamed.id] = renamed
    return renamed


@delete("/api/orgs/{ref:str}", status_code=204)
async def delete_org(api: Injected[FakeApi], request: AnyRequest, ref: FromPath[str]) -> None:
    api.signed_in(request)
    assert (await request.json())["confirm"] == org_of(api, ref).slug
    del api.orgs[org_of(api, ref).id]


@post("/api/projects/{ref:str}/restore", status_code=200)
async def restore_project(api: Injected[FakeApi], request: AnyRequest, ref: FromPath[str]) -> Project:
    api.signed_in(request)
    for project in list(api.deleted.values()):
        if ref in (project.id, project.slug):
            api.projects[project.id] = api.deleted.pop(project.id)
            return project
    raise ProjectNotFound


@post("/api/projects/{ref:str}/transfer", status_code=200)
async def transfer_project(api: Injected[FakeApi], request: AnyRequest, ref: FromPath[str]) -> Project:
    api.signed_in(request)
    org = org_of(api, (await request.json())["org"])
    moved = msgspec.structs.replace(api.project(ref), org=org.id)
    api.projects[moved.id] = moved
    return moved


TEAM_ROUTES: Final = (
    audit,
    list_members,
    add_member,
    change_member,
    remove_member,
    list_invites,
    create_invite,
    resend_invite,
    delete_invite,
    accept_invite,
    register_by_invite,
    invite_page,
    list_orgs,
    create_org,
    get_org,
    rename_org,
    delete_org,
    restore_project,
    transfer_project,
)
