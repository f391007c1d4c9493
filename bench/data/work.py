"""The kinds of measured work, and the requests that a server gets for each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

DOCUMENTS: Final = 1000  # The collection that everybody may read, and the collection of counters, have this size.
NOTES: Final = 100_000  # The collection with a rule has this size. Each of OWNERS owns the same number of documents.
OWNERS: Final = 100
BATCH: Final = 500  # One request writes this many documents while the benchmark fills a server.
DOCUMENT: Final = {"title": "A document of some 400 bytes", "views": 12345, "draft": False, "text": "lorem ipsum " * 24}
COUNTER: Final = {"n": 0}
ACCOUNT: Final = {"email": "bench@example.com", "password": "correct horse battery"}
WRITER: Final = {
    **ACCOUNT,
    "email": "writer@example.com",
}  # A second account creates notes, so that the first account always has 1,000.

NAMES: Final = {
    "get": "get one document",
    "list": "list of 20",
    "create": "durable create",
    "user get": "get, end user, owner rule",
    "user list": "list of 20 of 100,000, owner rule",
    "user total": "the same list with exact total",
    "user create": "durable create, owner rule",
    "count": "increment, many documents",
    "count one": "increment, one document",
}


@dataclass(frozen=True)
class Requests:
    """A request. Every connection sends it to the addresses in turn."""

    method: str
    addresses: list[str]
    headers: dict[str, str]
    body: str = ""


@dataclass(frozen=True)
class Served:
    """A running server.

    `work`: the requests for each kind of work, by the keys of NAMES; `counted` returns the value of the document that
    all connections increment; `notes` has remarks about the server for the report.
    """

    name: str
    url: str
    notes: str
    work: dict[str, Requests] = field(default_factory=dict)
    counted: Callable[[], int] | None = None


def owner_of(number: int, user: str) -> str:
    """Return the owner of a note. The owners have the same number of notes; the first owner is the measured user."""
    return user if number % OWNERS == 0 else f"owner{number % OWNERS}"
