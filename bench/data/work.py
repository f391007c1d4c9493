"""The measured work, and the requests that one server gets for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

DOCUMENTS: Final = 1000  # in the collection that everybody may read, and in counters
NOTES: Final = 100_000  # in the collection with a rule; each of OWNERS has the same number
OWNERS: Final = 100
BATCH: Final = 500  # writes in one request while a server is filled
DOCUMENT: Final = {"title": "A document of some 400 bytes", "views": 12345, "draft": False, "text": "lorem ipsum " * 24}
COUNTER: Final = {"n": 0}
ACCOUNT: Final = {"email": "bench@example.com", "password": "correct horse battery"}
WRITER: Final = {**ACCOUNT, "email": "writer@example.com"}  # creates notes, so that the other account keeps 1,000

NAMES: Final = {
    "get": "get one document",
    "list": "list of 20",
    "create": "durable create",
    "user get": "get, end user, owner rule",
    "user list": "list of 20 of 100,000, owner rule",
    "user total": "the same with exact total",
    "user create": "durable create, owner rule",
    "count": "increment, each its own document",
    "count one": "increment, all the same document",
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
    """A running server. `work`: the work that it supports, by the keys of NAMES; `counted`: reads the one document that
    all increment; `notes`: its remarks in the report.
    """

    name: str
    url: str
    notes: str
    work: dict[str, Requests] = field(default_factory=dict)
    counted: Callable[[], int] | None = None


def owner_of(number: int, user: str) -> str:
    """Return the owner of a note. Notes are spread over the owners; the first is the measured user."""
    return user if number % OWNERS == 0 else f"owner{number % OWNERS}"
