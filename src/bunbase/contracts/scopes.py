"""Scopes: the limits of a personal access token, a project key, a service account or a service token.

A scope allows an act (`acts.py`) only if the role of the caller allows the act too. Tokens, keys and accounts use the
same scopes.

- Four coarse scopes: `read` allows every act that changes nothing, `write` allows every change that a developer may
  make, `admin` allows every change that an admin or owner may make, `secrets` allows reading secret values. `admin`
  includes `write`; each of the four includes `read`.
- The finer scopes each allow only a few acts: `data:read`, `functions:deploy`, and so on. `data:<collection>:read` and
  `data:<collection>:write` allow the same acts as `data:read` and `data:write`, but only in one collection.
- `<scope>@<project id>` is a scope in one project only. Only personal access tokens have such scopes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from bunbase.pkg.errors import Forbidden, InvalidInput

READ: Final = "read"
WRITE: Final = "write"
SECRETS: Final = "secrets"
ADMIN: Final = "admin"

INCLUDED: Final = {
    READ: (READ,),
    WRITE: (WRITE, READ),
    SECRETS: (SECRETS, READ),
    ADMIN: (ADMIN, WRITE, READ),
}
FINE: Final = (
    "data:read",
    "data:write",
    "users:read",
    "users:write",
    "functions:invoke",
    "functions:deploy",
    "logs:read",
    "files:read",
    "files:write",
    "kv:read",
    "kv:write",
    "live",
    "kms:use",
    "backups",
    "settings",
)
VOCABULARY: Final = (*INCLUDED, *FINE)
IN_COLLECTION: Final = re.compile(r"data:([a-z][a-z0-9_]{0,62}):(?:read|write)")
PROJECT_ID: Final = re.compile(r"prj_[a-z0-9]{1,60}")
MAX_SCOPES: Final = 50
KNOWN: Final = 4096  # a cache holds at most this number of sets of scopes

SOME_COLLECTION: Final = "*"  # stands for a collection that is not known yet; no collection can have this name


class InsufficientScope(Forbidden):
    """The role of the caller would allow the act, but its token or key is limited to other scopes (RFC 6750 §3.1)."""

    status, code, title = 403, "insufficient_scope", "This token or key lacks a scope"


def checked_scopes(scopes: Iterable[str], of_projects: bool = False) -> tuple[str, ...]:
    """Return the scopes without duplicates: first the general scopes in the order of their list, then all other scopes
    by name.

    `of_projects`: true if each scope may end with `@<project id>`. Raises: InvalidInput.
    """
    found = set(scopes)
    wrong = sorted(scope for scope in found if not _is_scope(scope, of_projects))
    if wrong or not 1 <= len(found) <= MAX_SCOPES:
        what = f"{wrong[0][:80]!r} is not a scope" if wrong else f"Name 1 to {MAX_SCOPES} scopes"
        raise InvalidInput.at(
            "/scopes",
            f"{what}. The scopes are {', '.join(VOCABULARY)}, data:<collection>:read and data:<collection>:write"
            + (", each optionally with @<project id>." if of_projects else "."),
        )
    return tuple(sorted(found, key=_place))


def allows(scopes: tuple[str, ...], coarse: str, fine: str, collection: str = "") -> bool:
    """True if one of the scopes is `fine` or `coarse`, or includes `coarse`.

    `coarse` is "" for an act that needs no scope. `collection`: also accept the scope of this one collection.
    """
    have = _included(scopes)
    if not coarse or coarse in have or fine in have:
        return True
    kind, _, verb = fine.partition(":")
    if kind == "data" and collection == SOME_COLLECTION:
        return any(scope.startswith("data:") and scope.endswith(f":{verb}") for scope in have)
    return of_collection(fine, collection) in have


def of_collection(fine: str, collection: str) -> str:
    """Return the scope that allows an act in one collection; "" if there is none, or the collection is not known."""
    kind, _, verb = fine.partition(":")
    known = kind == "data" and collection not in ("", SOME_COLLECTION)
    return f"data:{collection}:{verb}" if known else ""


def in_project(scopes: tuple[str, ...], projects: tuple[str, ...], project: str) -> tuple[str, ...]:
    """Return the scopes that a token has in a project. `project`: "" for acts outside of projects.

    `projects`: the projects to which the whole token is bound; empty if it is not bound.
    """
    if projects and project not in projects:
        return ()
    suffix = f"@{project}"
    return tuple(scope.removesuffix(suffix) for scope in scopes if "@" not in scope or scope.endswith(suffix))


@lru_cache(KNOWN)
def _included(scopes: tuple[str, ...]) -> frozenset[str]:
    return frozenset(one for scope in scopes for one in INCLUDED.get(scope, (scope,)))


def _is_scope(scope: str, of_projects: bool) -> bool:
    name, at, project = scope.partition("@")
    if at and not (of_projects and PROJECT_ID.fullmatch(project)):
        return False
    return name in VOCABULARY or IN_COLLECTION.fullmatch(name) is not None


def _place(scope: str) -> tuple[int, str]:
    return (VOCABULARY.index(scope) if scope in VOCABULARY else len(VOCABULARY)), scope
