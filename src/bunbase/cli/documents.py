"""Send the requests of `bunbase data` about single documents, as a developer of the project.

The command prints documents as the server wrote them, so that a number keeps every digit.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final

import msgspec

from bunbase.cli.errors import Refused, Usage
from bunbase.cli.http import Call, at_v1, refuse
from bunbase.cli.session import NOT_FOUND, Session

INVALID: Final = "invalid_json"
UNKNOWN: Final = ("document_not_found", "collection_not_found")
NOTHING: Final[Mapping[str, str]] = {}
NULL: Final = msgspec.Raw(b"null")


class FoundPage(msgspec.Struct, frozen=True):
    """One page of a query. `items`: documents as JSON text. `next`: the cursor of the next page, or None.

    `explain`: the plan of the query as JSON text; null unless the query asked for it.
    """

    items: tuple[msgspec.Raw, ...]
    next: str | None = None
    count: int | None = None
    count_is_estimate: bool = False
    explain: msgspec.Raw = NULL


class Documents:
    """The documents of one project."""

    def __init__(self, session: Session, project: str) -> None:
        self.session = session
        self.headers = {"x-bunbase-project": project}

    def get(self, collection: str, id: str) -> bytes:
        return self._read(collection, Call("GET", _path(collection, id), headers=self.headers))

    def check_collection(self, collection: str) -> None:
        """Ask the server whether the collection exists, after a request found nothing.

        Raises: Refused if it does not exist.
        """
        # the import is here, because only this rare case needs the module
        from bunbase.cli.collections import listed_collections

        try:
            names = [one.name for one in listed_collections(self.session, self.headers)]
        except Refused:  # the token may allow reading documents, but not listing collections
            return
        if collection not in names:
            near = get_close_matches(collection, names, 1)
            advice = f" Did you mean {near[0]}?" if near else " All of them: bunbase collections list"
            detail = f"There is no collection {collection}.{advice}"
            raise Refused({"status": NOT_FOUND, "code": "collection_not_found", "detail": detail})

    def query(self, collection: str, query: Mapping[str, Any]) -> FoundPage:
        return msgspec.json.decode(self.page_text(collection, query), type=FoundPage)

    def page_text(self, collection: str, query: Mapping[str, Any]) -> bytes:
        """Return one page as the server wrote it."""
        return self._read(collection, Call("POST", f"{_path(collection)}/query", headers=self.headers, json=query))

    def pages(self, collection: str, query: Mapping[str, Any]) -> Iterator[FoundPage]:
        """Yield the page that `query` asks for, and all pages after it."""
        asked = dict(query)
        while True:
            page = self.query(collection, asked)
            yield page
            if page.next is None:
                return
            asked["cursor"] = page.next

    def count(self, collection: str, where: Any) -> int:
        asked = {"values": {"n": {"$count": True}}} | ({} if where is None else {"where": where})
        call = Call("POST", f"{_path(collection)}/aggregate", headers=self.headers, json=asked)
        items = msgspec.json.decode(self._read(collection, call))["items"]
        return int(items[0]["n"]) if items else 0

    def create(self, collection: str, body: bytes) -> bytes:
        return self._written("POST", _path(collection), body)

    def put(self, collection: str, id: str, body: bytes, if_rev: int | None = None) -> bytes:
        return self._written("PUT", _path(collection, id), body, _condition(if_rev))

    def patch(self, collection: str, id: str, body: bytes, if_rev: int | None = None) -> bytes:
        return self._written("PATCH", _path(collection, id), body, _condition(if_rev))

    def delete(self, collection: str, id: str, if_rev: int | None = None) -> None:
        headers = {**self.headers, **_condition(if_rev)}
        self.session.ask(type(None), Call("DELETE", _path(collection, id), headers=headers))

    def _read(self, collection: str, call: Call) -> bytes:
        """Return the answer. If the answer is "not found", check whether the collection exists. Raises: Refused."""
        try:
            return self._text(call)
        except Refused as refused:
            if refused.code in UNKNOWN:
                self.check_collection(collection)
            raise

    def _written(self, method: str, path: str, body: bytes, headers: Mapping[str, str] = NOTHING) -> bytes:
        checked_object(body)
        sent = {**self.headers, **headers, "content-type": "application/json"}
        return self._text(Call(method, path, headers=sent, content=body))

    def _text(self, call: Call) -> bytes:
        reply = self.session.send(call)
        refuse(reply)
        return reply.content


def checked_object(body: bytes) -> None:
    """Check that a text is a JSON object before a request is sent. Raises: Usage."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Usage(f"The document is not valid JSON: {error}.", INVALID) from None
    if not isinstance(found, dict):
        raise Usage('A document is a JSON object, such as {"title": "Hello"}.', INVALID)


def filter_of(text: str) -> Any:
    """Return the filter that a text contains, or None for an empty text. Raises: Usage."""
    if not text.strip():
        return None
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Usage(
            f"The filter is not valid JSON: {error}. Write, for example: '{{\"done\": true}}'", "invalid_json"
        ) from None
    if not isinstance(found, dict):
        raise Usage('A filter is a JSON object, such as {"done": true}.', INVALID)
    return found


def print_document(text: bytes, compact: bool) -> None:
    """Print a document on one line (`compact`), or with one member per line."""
    sys.stdout.buffer.write(msgspec.json.format(text, indent=-1 if compact else 2) + b"\n")
    sys.stdout.flush()


def _path(collection: str, id: str | None = None) -> str:
    return at_v1("data", collection) if id is None else at_v1("data", collection, id)


def _condition(if_rev: int | None) -> Mapping[str, str]:
    if if_rev is None:
        return NOTHING
    return {"if-none-match": "*"} if if_rev == 0 else {"if-match": f'"{if_rev}"'}
