"""Parse the queries in the URL or the body of a request, for both lanes of the gateway."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.bundoc.permissions.rule_tests import Who, end_user
from bunbase.bundoc.query.parse import MAX_BYTES
from bunbase.contracts.bundoc.documents import Highlight, Query
from bunbase.contracts.bundoc.problems import InvalidQuery
from bunbase.contracts.caller import EndUser
from bunbase.pkg import effort
from bunbase.pkg.cursors import DEFAULT_LIMIT
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.json_bodies import check_readable, fault_in, unreadable
from bunbase.pkg.plain_messages import UNKNOWN

MAX_BODY_BYTES: Final = 256 << 10

QUERYING: Final = frozenset({"where", "sort", "select", "count", "explain", "score", "expand"})

B = TypeVar("B", bound=msgspec.Struct)


class QueryBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    where: msgspec.Raw = msgspec.Raw(b"{}")
    sort: tuple[str, ...] = ()
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    select: tuple[str, ...] | None = None
    count: bool = False
    explain: bool = False
    score: bool = False
    highlight: Highlight | None = None
    expand: tuple[str, ...] = ()
    as_: Who | UnsetType | None = msgspec.field(name="as", default=UNSET)


def read_query(body: bytes) -> Query:
    """Parse the body of a query. Raises: InvalidQuery, InvalidInput, Malformed."""
    sent = read_body(body, QueryBody)
    return Query(
        where=bytes(sent.where),
        sort=sent.sort,
        limit=sent.limit,
        cursor=sent.cursor,
        select=sent.select,
        count=sent.count,
        explain=sent.explain,
        expand=sent.expand,
        score=sent.score,
        highlight=sent.highlight,
        explain_as=sent_user(sent.as_),
    )


def sent_user(sent: Who | UnsetType | None) -> EndUser | UnsetType | None:
    """Return the user in `as`; None for a visitor who is not signed in, UNSET if the query has no `as`."""
    return sent if sent is None or sent is UNSET else end_user(sent)


def read_body(body: bytes, kind: type[B]) -> B:
    """Parse a body to the type `kind`. Raises: InvalidQuery, InvalidInput, Malformed."""
    if len(body) > MAX_BODY_BYTES:
        raise InvalidQuery(f"A query has at most {MAX_BODY_BYTES} bytes, and its filter at most {MAX_BYTES}.", path="")
    effort.note(len(body))
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        check_readable(body)
        raise _misfit(error, kind) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error) from None


def _misfit(error: msgspec.ValidationError, kind: type[msgspec.Struct]) -> Problem:
    """Return the problem for an unknown member or a member of a wrong type, as for the same mistake in a URL."""
    path, message = fault_in(error, kind)
    if unknown := UNKNOWN.match(str(error)):
        inner = Who if path.startswith("/as/") else Highlight
        known = ", ".join((kind if path == f"/{unknown[1]}" else inner).__struct_encode_fields__)
        return InvalidQuery(f"The member {path} is not known; this request takes {known}.", path=path)
    return InvalidInput.at(path, message, f"{path}: {message}" if path else message)


def named(listed: str | None) -> tuple[str, ...] | None:
    """Return the names in a comma-separated list, or None for None."""
    return None if listed is None else tuple(name.strip() for name in listed.split(","))
