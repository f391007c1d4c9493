"""The table of acts tells which role and which scopes allow each act."""

from __future__ import annotations

import re

import pytest

from bunbase.contracts.acts import Act, within
from bunbase.contracts.caller import Caller, CallerKind, Developer, Role
from bunbase.contracts.scopes import FINE, InsufficientScope, checked_scopes
from bunbase.pkg.errors import Forbidden, InvalidInput, Unauthenticated

BAKERY, LIBRARY = "prj_bakery", "prj_library"


def member(
    role: Role | None = Role.OWNER, *scopes: str, project: str = BAKERY, projects: tuple[str, ...] = ()
) -> Caller:
    """Return a member with a session, or with a personal access token that has `scopes`."""
    session = "" if scopes else "ses_ada"
    ada = Developer("usr_ada", "ada@example.com", False, session, scopes, projects)
    return Caller(CallerKind.DEVELOPER, project=project, developer=ada, role=role)


def key(*scopes: str) -> Caller:
    """Return the holder of a secret key. Without scopes, the key is unlimited."""
    return Caller(CallerKind.SECRET, project=BAKERY, scopes=scopes or None)


@pytest.mark.parametrize("scope", ["read", "admin", "data:read"])
def test_a_token_hears_at_once_that_an_act_on_the_account_needs_a_session(scope: str) -> None:
    with pytest.raises(Forbidden, match="needs a session") as refused:
        member(Role.OWNER, scope).check_scope(Act.TOTP_CREATE)

    assert not isinstance(refused.value, InsufficientScope), "another scope would not help"
    assert not member(Role.OWNER, scope).may(Act.TOTP_CREATE)
    member().check(Act.TOTP_CREATE)


@pytest.mark.parametrize("act", Act)
def test_an_act_has_a_stable_name_and_a_scope_as_strong_as_its_role(act: Act) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*\.[a-z_]+", act.value)
    assert act.fine == "" or act.fine in FINE
    if act.changes and act.role in (Role.ADMIN, Role.OWNER):
        assert act.coarse == "admin"
    if act.changes and act.coarse:
        assert act.coarse in ("write", "admin"), "the scope `read` must change nothing"


@pytest.mark.parametrize(
    ("caller", "act", "allowed"),
    [
        (member(Role.OWNER), Act.PROJECT_DELETE, True),
        (member(Role.ADMIN), Act.PROJECT_DELETE, False),
        (member(Role.DEVELOPER), Act.KEY_CREATE, False),
        (member(Role.VIEWER), Act.LOG_READ, True),
        (member(None), Act.LOG_READ, False),
        (member(None, project=""), Act.PROJECT_LIST, True),
        # Both the role and the scope must allow an act.
        (member(Role.VIEWER, "admin"), Act.FUNCTION_DEPLOY, False),
        (member(Role.OWNER, "read"), Act.FUNCTION_DEPLOY, False),
        (member(Role.OWNER, "read"), Act.BACKUP_READ, True),
        (member(Role.OWNER, "write"), Act.FUNCTION_DEPLOY, True),
        (member(Role.OWNER, "write"), Act.FUNCTION_READ, True),
        (member(Role.OWNER, "write"), Act.KEY_CREATE, False),
        (member(Role.OWNER, "admin"), Act.KEY_CREATE, True),
        (member(Role.OWNER, "admin"), Act.VARIABLE_REVEAL, False),
        (member(Role.OWNER, "secrets"), Act.VARIABLE_REVEAL, True),
        (member(Role.OWNER, "secrets"), Act.VARIABLE_SET, False),
        (member(Role.OWNER, "functions:deploy"), Act.FUNCTION_DEPLOY, True),
        (member(Role.OWNER, "functions:deploy"), Act.LOG_READ, False),
        (member(Role.OWNER, "functions:deploy"), Act.PROJECT_READ, True),
        (member(Role.OWNER, "kv:read"), Act.KEY_READ, False),
        # A token that is bound to projects has no rights elsewhere.
        (member(Role.OWNER, f"write@{BAKERY}"), Act.FUNCTION_DEPLOY, True),
        (member(Role.OWNER, f"write@{LIBRARY}"), Act.FUNCTION_DEPLOY, False),
        (member(Role.OWNER, f"write@{LIBRARY}", "read"), Act.FUNCTION_READ, True),
        (member(Role.OWNER, "write", projects=(BAKERY, LIBRARY)), Act.FUNCTION_DEPLOY, True),
        (member(Role.OWNER, "write", projects=(LIBRARY,)), Act.FUNCTION_READ, False),
        (member(None, "admin", project="", projects=(BAKERY,)), Act.PROJECT_CREATE, False),
        # Secret keys.
        (key(), Act.DOCUMENT_WRITE, True),
        (key(), Act.KEY_CREATE, False),
        (key("admin"), Act.KEY_CREATE, False),
        (key("data:read"), Act.DOCUMENT_READ, True),
        (key("data:read"), Act.DOCUMENT_WRITE, False),
        (key("read"), Act.USER_READ, True),
        (key("data:read"), Act.PROFILE_USE, True),
        (Caller(CallerKind.PUBLISHABLE, project=BAKERY), Act.DOCUMENT_READ, False),
        (Caller(CallerKind.ANONYMOUS, project=BAKERY), Act.DOCUMENT_READ, False),
    ],
)
def test_a_caller_may_do_an_act_if_its_role_and_its_scopes_allow_it(caller: Caller, act: Act, allowed: bool) -> None:
    assert caller.may(act) is allowed
    if allowed:
        caller.check(act)
    else:
        with pytest.raises((Forbidden, Unauthenticated)):
            caller.check(act)


def test_a_scope_of_one_collection_allows_only_that_collection() -> None:
    caller = key("data:posts:read", "data:drafts:write")

    assert caller.may(Act.DOCUMENT_READ, "posts")
    assert not caller.may(Act.DOCUMENT_WRITE, "posts")
    assert caller.may(Act.DOCUMENT_WRITE, "drafts")
    assert not caller.may(Act.DOCUMENT_READ, "drafts")
    assert not caller.may(Act.DOCUMENT_READ), "all collections need data:read"
    assert not caller.may(Act.COLLECTION_UPDATE, "posts")


def test_a_missing_scope_is_named_in_the_refusal() -> None:
    with pytest.raises(InsufficientScope, match="data:posts:write or data:write or write") as refused:
        key("data:read").check(Act.DOCUMENT_WRITE, "posts")

    assert refused.value.extra == {"act": "document.write", "scope": "data:write"}


@pytest.mark.parametrize(
    ("narrower", "scopes", "inside"),
    [
        (("data:read",), ("read",), True),
        (("data:posts:read",), ("data:read",), True),
        (("data:read",), ("data:posts:read",), False),
        (("data:posts:read",), ("data:drafts:read",), False),
        (("data:read", "functions:invoke"), ("write",), True),
        (("settings",), ("write",), False),
        (("settings",), ("admin",), True),
        (("read",), ("secrets",), True),
        (("secrets",), ("admin",), False),
        (("write",), ("admin",), True),
        (("admin",), ("write", "secrets"), False),
        (("live",), ("live",), True),
        (("live",), ("data:read",), False),
    ],
)
def test_scopes_are_narrower_if_they_allow_no_further_act(
    narrower: tuple[str, ...], scopes: tuple[str, ...], inside: bool
) -> None:
    assert within(narrower, scopes) is inside


def test_scopes_have_one_spelling_and_order() -> None:
    sent = ("data:posts:write", "write", "data:posts:read", "read", "write")

    assert checked_scopes(sent) == ("read", "write", "data:posts:read", "data:posts:write")
    assert checked_scopes((f"read@{BAKERY}",), of_projects=True) == (f"read@{BAKERY}",)


@pytest.mark.parametrize(
    "scopes",
    [
        (),
        ("everything",),
        ("",),
        ("data:*:read",),
        ("data:Posts:read",),
        ("data:posts:delete",),
        ("data:posts:read\n",),
        (f"read@{BAKERY}",),
        tuple(f"data:c{number}:read" for number in range(51)),
    ],
)
def test_other_scopes_are_refused(scopes: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput):
        checked_scopes(scopes)


@pytest.mark.parametrize("scope", ["read@", "read@bakery", "read@prj_a@prj_b", "@prj_a", "read@prj_a\n"])
def test_a_scope_is_bound_to_a_project_by_its_id(scope: str) -> None:
    """A slug may later belong to another project."""
    with pytest.raises(InvalidInput):
        checked_scopes((scope,), of_projects=True)
