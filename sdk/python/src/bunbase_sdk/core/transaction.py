"""Reads and writes that belong together. Reads are sent at once; writes are kept for the commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

from bunbase_sdk.core.collection import CollectionCalls, filter_of, names
from bunbase_sdk.core.deadline import Deadline
from bunbase_sdk.core.flow import Flow
from bunbase_sdk.core.requests import DataRequests
from bunbase_sdk.core.transport import without_none
from bunbase_sdk.page import Page
from bunbase_sdk.problem import invalid_value

D = TypeVar("D", bound=Mapping[str, object])
W = TypeVar("W", bound=Mapping[str, object])


class Kept:
    """The documents that a transaction has read, and the writes that it will make."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], dict[str, object]] = {}
        self._writes: list[dict[str, object]] = []

    def saw(self, collection: str, id: str, rev: int) -> None:
        """Raises: Problem, if the transaction has already written the document."""
        if any(write["collection"] == collection and write.get("id") == id for write in self._writes):
            detail = "Read a document before you write it: a read does not see the writes of its transaction."
            raise invalid_value(f"{collection}/{id}", detail)
        # the first revision counts: a document that changes between two reads makes the commit fail
        self._seen.setdefault((collection, id), {"op": "check", "collection": collection, "id": id, "if_rev": rev})

    def write(self, op: str, collection: str, **members: object) -> None:
        self._writes.append({"op": op, "collection": collection, **members})

    def writes(self) -> list[dict[str, object]]:
        """Return the commit: the checks of all reads, then the writes. The list is empty if there are no writes."""
        return [*self._seen.values(), *self._writes] if self._writes else []


class TransactionCalls:
    """The reads and writes of one attempt."""

    def __init__(self, requests: DataRequests, kept: Kept, within: Deadline) -> None:
        self._requests = requests
        self._kept = kept
        self._within = within

    @overload
    def collection(self, name: str) -> TransactionCollectionCalls[dict[str, Any], Mapping[str, object]]: ...
    @overload
    def collection(self, name: str, read: type[D]) -> TransactionCollectionCalls[D, Mapping[str, object]]: ...
    @overload
    def collection(self, name: str, read: type[D], write: type[W]) -> TransactionCollectionCalls[D, W]: ...
    def collection(
        self, name: str, read: type[Any] = dict, write: type[Any] = dict
    ) -> TransactionCollectionCalls[Any, Any]:
        """Return a collection whose reads and writes belong to this transaction.

        ```python
        accounts = tx.collection("accounts")
        ```
        """
        return TransactionCollectionCalls(CollectionCalls(name, self._requests), self._kept, self._within)


class TransactionCollectionCalls(Generic[D, W]):
    """The documents of one collection, within a transaction."""

    def __init__(self, collection: CollectionCalls[D, W], kept: Kept, within: Deadline) -> None:
        self._collection = collection
        self._kept = kept
        self._within = within

    def get(self, id: str) -> Flow[D]:
        """Read a document. If the document changes before the commit, the transaction begins again.

        ```python
        account = tx.collection("accounts").get("ada")
        ```
        """
        return self._read((yield from self._collection.read(id, self._within)))

    def find(self, id: str) -> Flow[D | None]:
        """Read a document, or return None. If the document exists at the commit, the transaction begins again.

        ```python
        account = tx.collection("accounts").find("ada")
        ```
        """
        found = yield from self._collection.found(id, self._within)
        if found is not None:
            return self._read(found)
        self._kept.saw(self._collection.name, id, 0)
        return None

    def query(
        self,
        where: Mapping[str, object] | None = None,
        *,
        sort: str | Sequence[str] = (),
        limit: int = 20,
        cursor: str | None = None,
    ) -> Flow[Page[D]]:
        """Return one page. The commit checks the documents of the page, but not whether other documents match now.

        ```python
        page = tx.collection("seats").query({"taken": False}, limit=1)
        ```
        """
        asked = without_none(where=filter_of(where), limit=limit, cursor=cursor, sort=names(sort) or None)
        page = yield from self._collection.queried(asked, self._within)
        for item in page.items:
            self._read(item)
        return page

    def create(self, document: W) -> None:
        """Create a document at the commit.

        ```python
        tx.collection("entries").create({"amount": -10})
        ```
        """
        self._kept.write("create", self._collection.name, data=document)

    def put(self, id: str, document: W) -> None:
        """Replace or create a document at the commit.

        ```python
        tx.collection("names").put("ada", {"owner": "usr_1"})
        ```
        """
        self._kept.write("put", self._collection.name, id=id, data=document)

    def patch(self, id: str, change: Mapping[str, object]) -> None:
        """Change a document at the commit.

        ```python
        tx.collection("accounts").patch("ada", {"$inc": {"balance": -10}})
        ```
        """
        self._kept.write("patch", self._collection.name, id=id, data=change)

    def delete(self, id: str) -> None:
        """Delete a document at the commit.

        ```python
        tx.collection("names").delete("ada")
        ```
        """
        self._kept.write("delete", self._collection.name, id=id)

    def _read(self, document: D) -> D:
        rev, id = document["_rev"], document["_id"]
        if isinstance(rev, int) and isinstance(id, str):
            self._kept.saw(self._collection.name, id, rev)
        return document
