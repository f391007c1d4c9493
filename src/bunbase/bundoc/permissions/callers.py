"""The rights of a caller that do not depend on the rules of a collection."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import UNSET

from bunbase.bundoc.permissions.access import FOR_SERVERS, check_access
from bunbase.bundoc.permissions.write_guard import WriteGuard
from bunbase.bundoc.writes import Check, CommitStep
from bunbase.contracts.bundoc.documents import Aggregation, Query
from bunbase.contracts.bundoc.problems import DocumentReferenced, InvalidQuery, RuleDenied, UniqueViolation
from bunbase.contracts.caller import Act, Caller, CallerKind
from bunbase.contracts.scopes import InsufficientScope
from bunbase.pkg.errors import Problem


def allow(caller: Caller, act: Act, collection: str = "") -> None:
    """Allow the secret key, and members with the role for the act. Raises: RuleDenied, Forbidden, InsufficientScope."""
    if caller.kind not in (CallerKind.SECRET, CallerKind.DEVELOPER):
        raise RuleDenied(FOR_SERVERS)
    caller.check(act, collection)


def guard_of(caller: Caller, collection: str) -> WriteGuard | None:
    """Return the guard of a caller bound by rules, None for the secret key. Raises: RuleDenied, InsufficientScope."""
    return WriteGuard(caller) if check_access(caller, Act.DOCUMENT_WRITE, collection) else None


def check_steps(caller: Caller, steps: Iterable[CommitStep]) -> None:
    """Check the scope for the collection of each write in a commit. Raises: InsufficientScope."""
    for number, step in enumerate(steps):
        try:
            act = Act.DOCUMENT_READ if isinstance(step.write, Check) else Act.DOCUMENT_WRITE
            caller.check_scope(act, step.collection)
        except InsufficientScope as problem:
            problem.extra["write"] = number
            raise


def as_user(caller: Caller, query: Query | Aggregation) -> Caller:
    """Return the user for whom BunBase explains the query: the user that the query names, or else the caller.

    Raises: InvalidQuery, RuleDenied for callers bound by rules.
    """
    user = query.explain_as
    if user is UNSET:
        return caller
    if caller.kind is CallerKind.PUBLISHABLE:
        raise RuleDenied("Only the secret key and members of the project may explain a query as another user.")
    if not query.explain:
        raise InvalidQuery('as needs "explain":true, since it only explains a query.', path="/as")
    if isinstance(query, Query) and query.expand:
        raise InvalidQuery("A query with as explains the list rule, which expand does not use.", path="/expand")
    return msgspec.structs.replace(caller, kind=CallerKind.PUBLISHABLE, user=user, explain=True)


def discreet(problem: Problem, caller: Caller, bound: bool) -> Problem:
    """Return the problem of a write as the caller may see it.

    If a caller may not read all documents, the problem hides which document has the same unique value, or which
    document refers to the deleted one. `bound`: rules bind the caller.
    """
    if not isinstance(problem, DocumentReferenced | UniqueViolation):
        return problem
    if not bound and caller.has_scope(Act.DOCUMENT_READ):
        return problem
    if isinstance(problem, UniqueViolation):
        index = problem.extra["index"]
        return UniqueViolation(
            f"Another document has the same values, but the index {index} is unique.", **problem.extra
        )
    if problem.extra["collection"] is None:
        return problem
    nameless = {**problem.extra, "collection": None, "field": None}
    return DocumentReferenced("Other documents refer to this document: change or delete them first.", **nameless)
