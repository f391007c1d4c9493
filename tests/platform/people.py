"""Developers as the Callers that the gateway passes to Platform."""

from __future__ import annotations

import msgspec

from bunbase.contracts.caller import Caller, CallerKind, Developer, Role
from bunbase.contracts.platform import AcceptedInvite, Invite, Key, NewProject, Platform
from tests.rooms import member_caller


def developer(id: str) -> Caller:
    email = f"{id.removeprefix('usr_')}@example.com"
    return Caller(CallerKind.DEVELOPER, developer=Developer(id, email, admin=False, session=f"ses_{id}"))


ADA_ID, BOB_ID, EVE_ID = "usr_ada", "usr_bob", "usr_eve"
ADA, BOB, EVE = developer(ADA_ID), developer(BOB_ID), developer(EVE_ID)


def at(project: NewProject, role: Role = Role.OWNER) -> Caller:
    return member_caller(project.id, role, ADA_ID)


async def entering(platform: Platform, who: Caller, project: str) -> Caller:
    """Return the `Caller` object that the gateway makes for a request of this developer to a project."""
    found = await platform.membership(who.signed_in().id, project)
    return msgspec.structs.replace(who, project=found.project, role=found.role)


async def joined(platform: Platform, by: Caller, who: Caller, role: Role, org: str | None = None) -> AcceptedInvite:
    """Make somebody a member of the caller's project, or of an organisation, by an invitation."""
    invite = await platform.create_invite(by, org, who.signed_in().email, role)
    return await platform.accept_invite(who, token_of(invite))


def token_of(invite: Invite) -> str:
    assert invite.url is not None
    return invite.url.partition("token=")[2]


def value_of(key: Key) -> str:
    assert key.key is not None
    return key.key
