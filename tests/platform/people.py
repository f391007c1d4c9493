"""Developers as the Callers that the gateway passes to Platform."""

from __future__ import annotations

from bunbase.contracts.caller import Caller, CallerKind, Developer, Role
from bunbase.contracts.platform import Key, NewProject
from tests.rooms import member_caller

ADA_ID, BOB_ID = "usr_ada", "usr_bob"
ADA = Caller(CallerKind.DEVELOPER, developer=Developer(ADA_ID, "ada@example.com", admin=False, session="ses_ada"))
BOB = Caller(CallerKind.DEVELOPER, developer=Developer(BOB_ID, "bob@example.com", admin=False, session="ses_bob"))


def at(project: NewProject, role: Role = Role.OWNER) -> Caller:
    return member_caller(project.id, role, ADA_ID)


def value_of(key: Key) -> str:
    assert key.key is not None
    return key.key
