"""Count the documents that a change would affect. The counts change nothing on the server.

All counts of one plan share a time limit. If a count is incomplete, the plan shows it as a minimum.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Container, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from bunbase.cli.errors import Refused
from bunbase.cli.http import Call
from bunbase.cli.session import Session
from bunbase.contracts.bundoc.collections import Collection, IndexSpec, Misfits
from bunbase.pkg.moments import read_moment

PAGE: Final = 500
COUNT_SECONDS: Final = 60.0
WHOLE: Final = "\0"  # stands for errors that belong to no single field; no field has this name
MOST_FIELDS: Final = 20  # the limit of fields that are counted separately, because each of them needs a flag
UNCOUNTABLE: Final = frozenset({"query_needs_index", "query_too_slow"})


class Page(msgspec.Struct, frozen=True):
    items: tuple[dict[str, Any], ...]
    next: str | None = None


class Counted(msgspec.Struct, frozen=True):
    """The number of documents. `complete`: false if not all documents were examined."""

    documents: int
    complete: bool = True


class DocumentCounts:
    """The documents of one project, which are counted for one plan."""

    def __init__(self, session: Session, project: str) -> None:
        self.session = session
        self.headers = {"x-bunbase-project": project}
        self.until = time.monotonic() + COUNT_SECONDS

    def all_of(self, name: str) -> Counted:
        call = Call("GET", f"/v1/collections/{name}", headers=self.headers)
        return Counted(self.session.ask(Collection, call).documents or 0)

    def misfits(
        self, name: str, schema: dict[str, Any] | None, strict: bool, known: Container[str]
    ) -> tuple[dict[str, int], bool]:
        """Return how many documents violate the schema in each field, and whether all documents were examined.

        `known`: fields that are always counted separately. Users may invent any other field names. So after MOST_FIELDS
        different fields, all further unknown fields are counted together as WHOLE.
        """
        found: Counter[str] = Counter()
        body: dict[str, Any] = {"schema": schema, "strict": strict, "limit": PAGE}
        while time.monotonic() < self.until:
            call = Call("POST", f"/v1/collections/{name}/misfits", headers=self.headers, json=body)
            page = self.session.ask(Misfits, call)
            for one in page.items:
                fields = {_field(error.get("path", "")) for error in one.errors}
                found.update({at if at in known or at in found or len(found) < MOST_FIELDS else WHOLE for at in fields})
            if page.next is None:
                return dict(found), True
            body["cursor"] = page.next
        return dict(found), False

    def duplicates(self, name: str, index: IndexSpec) -> Counted:
        """Return how many documents have a value that an earlier document has.

        A unique index would refuse these documents.
        """
        fields = [field.removeprefix("-") for field in index.fields]
        seen: set[bytes] = set()
        count, complete = 0, False
        for document in self._all(name, fields, index.where):
            if document is None:
                complete = True
                break
            entries = unique_entries(document, fields)
            count += not seen.isdisjoint(entries)
            seen |= entries
        return Counted(count, complete)

    def ended(self, name: str, path: str) -> Counted:
        """Return how many documents would expire at once, because their expiry time has passed."""
        now = datetime.now(UTC)
        count, complete = 0, False
        for document in self._all(name, [path], None):
            if document is None:
                complete = True
                break
            count += any(is_over(value, now) for value in _values(document, path.split(".")))
        return Counted(count, complete)

    def _all(self, name: str, fields: list[str], where: dict[str, Any] | None) -> Iterator[dict[str, Any] | None]:
        """Yield each document with these fields, and then None. If None is missing, the time limit was reached."""
        body: dict[str, Any] = {"select": fields, "limit": PAGE} | ({"where": where} if where else {})
        while time.monotonic() < self.until:
            try:
                page = self.session.ask(Page, Call("POST", f"/v1/data/{name}/query", headers=self.headers, json=body))
            except Refused as refused:
                if refused.code in UNCOUNTABLE:
                    return
                raise
            yield from page.items
            if page.next is None:
                yield None
                return
            body["cursor"] = page.next


def _field(pointer: str) -> str:
    """Return the first name of a JSON Pointer: the field in which a document violates the schema."""
    return pointer[1:].split("/")[0].replace("~1", "/").replace("~0", "~") or WHOLE


def unique_entries(document: dict[str, Any], fields: list[str]) -> set[bytes]:
    """Return the entries of a document in a unique index, or none if one of the fields is missing or null."""
    values = [[one for one in _values(document, field.split(".")) if one is not None] for field in fields]
    return {msgspec.json.encode([_number(one) for one in entry]) for entry in itertools.product(*values)}


def _values(value: Any, path: list[str]) -> list[Any]:
    """Return the values at a path. For a list, return its elements."""
    if isinstance(value, list):
        return [one for element in value for one in (_values(element, path) if path else [element])]
    if not path:
        return [value]
    return _values(value[path[0]], path[1:]) if isinstance(value, dict) and path[0] in value else []


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_over(value: Any, now: datetime) -> bool:
    """True if a document with this expiry time has expired. The server reads the time with the same function."""
    try:
        return isinstance(value, str) and read_moment(value) <= now
    except ValueError:  # a document with an unreadable time does not expire
        return False
