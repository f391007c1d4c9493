"""Public HTTP of invitations: `…/invites` of projects and organisations, and `/api/invites/accept`."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter

from bunbase.contracts.bunauth.accounts import SignupPending
from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.platform import AcceptedInvite, Invite, InvitedSignIn, Invites, Platform
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.http import NO_STORE, Cursor, Injected, Limit
from bunbase.pkg.ids import ID
from bunbase.pkg.sent_texts import Email
from bunbase.platform.routes.orgs import OrgRef

TAGS = ["Members"]
P: Final = "/api/projects/{project:str}/invites"
ORG: Final = "/api/orgs/{org:str}/invites"

InviteId = Annotated[str, PathParameter(pattern=ID)]


class CreateInvite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email
    role: Role = Role.DEVELOPER


class AcceptInvite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token`: the token in the link (`binv_…`)."""

    token: Annotated[str, msgspec.Meta(max_length=100)]


class RegisterByInvite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token`: the token in the link (`binm_…` in the mail, `binv_…` if the link was passed on)."""

    token: Annotated[str, msgspec.Meta(max_length=100)]
    password: str = ""
    name: str = ""


@post(P, summary="Invite a person to a project", tags=TAGS, cache_control=NO_STORE)
async def create_invite(member: Injected[Caller], platform: Injected[Platform], data: CreateInvite) -> Invite:
    """Sends a mail with a link, and shows another link only in this answer. The links work for 7 days. When the person
    uses one link, the other link stops working too.

    The answer is the same whether or not an account has the address. With the link in the mail, the person may also
    open an account for the invited address; if this installation does not allow new accounts, `admits_newcomers` is
    false. An earlier invitation of the same address ends. The caller needs the role admin. Nobody can give a role above
    their own.
    """
    return await platform.create_invite(member, None, data.email, data.role)


@get(P, summary="List a project's open invitations", tags=TAGS)
async def list_invites(
    member: Injected[Caller], platform: Injected[Platform], limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Invites:
    return await platform.invites(member, None, limit, cursor)


@post(f"{P}/{{invite_id:str}}/resend", summary="Send an invitation again", tags=TAGS, cache_control=NO_STORE)
async def resend_invite(member: Injected[Caller], platform: Injected[Platform], invite_id: InviteId) -> Invite:
    """Sends a mail with a new link, and shows another new link. The new links work for 7 days. The old links end."""
    return await platform.resend_invite(member, None, invite_id)


@delete(f"{P}/{{invite_id:str}}", summary="Withdraw an invitation", tags=TAGS)
async def delete_invite(member: Injected[Caller], platform: Injected[Platform], invite_id: InviteId) -> None:
    await platform.delete_invite(member, None, invite_id)


@post(ORG, summary="Invite a person to an organisation", tags=TAGS, cache_control=NO_STORE)
async def create_org_invite(
    developer: Injected[Caller], platform: Injected[Platform], org: OrgRef, data: CreateInvite
) -> Invite:
    """Works like an invitation to a project. The person gets a role in all projects of the organisation."""
    return await platform.create_invite(developer, org, data.email, data.role)


@get(ORG, summary="List an organisation's open invitations", tags=TAGS)
async def list_org_invites(
    developer: Injected[Caller],
    platform: Injected[Platform],
    org: OrgRef,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Invites:
    return await platform.invites(developer, org, limit, cursor)


@post(f"{ORG}/{{invite_id:str}}/resend", summary="Send an invitation again", tags=TAGS, cache_control=NO_STORE)
async def resend_org_invite(
    developer: Injected[Caller], platform: Injected[Platform], org: OrgRef, invite_id: InviteId
) -> Invite:
    """Sends a mail with a new link, and shows another new link. The new links work for 7 days. The old links end."""
    return await platform.resend_invite(developer, org, invite_id)


@delete(f"{ORG}/{{invite_id:str}}", summary="Withdraw an invitation", tags=TAGS)
async def delete_org_invite(
    developer: Injected[Caller], platform: Injected[Platform], org: OrgRef, invite_id: InviteId
) -> None:
    await platform.delete_invite(developer, org, invite_id)


@post("/api/invites/accept", summary="Accept an invitation", tags=TAGS, status_code=200)
async def accept_invite(
    developer: Injected[Caller], platform: Injected[Platform], data: AcceptInvite
) -> AcceptedInvite:
    """Makes the signed-in account a member. The token of the link is the proof, so the address of the account may
    differ from the invited address. If the account already has a stronger role, this role stays.
    """
    return await platform.accept_invite(developer, data.token)


@post(
    "/api/invites/register",
    summary="Open an account by an invitation to a project or an organisation",
    tags=TAGS,
    cache_control=NO_STORE,
    responses={
        201: ResponseSpec(InvitedSignIn, description="The account is open, signed in, and a member."),
        202: ResponseSpec(SignupPending, description="A mail was sent to the invited address: its link goes on."),
    },
)
async def register_by_invite(
    anyone: Injected[Caller], platform: Injected[Platform], data: RegisterByInvite
) -> Response[Any]:
    """The new account always has the invited address. The link in the mail proves that the person reads the mailbox, so
    the link opens the account at once. If another person passed the link on, the answer is 202 for every address,
    BunBase sends a mail, and does not use `password` and `name`.
    """
    registered = await platform.register_by_invite(anyone, data.token, data.name, data.password)
    if registered.signed_in is None:
        return Response(SignupPending(), status_code=202)
    return Response(registered.signed_in)


ROUTES = (
    create_invite,
    list_invites,
    resend_invite,
    delete_invite,
    create_org_invite,
    list_org_invites,
    resend_org_invite,
    delete_org_invite,
    accept_invite,
    register_by_invite,
)
