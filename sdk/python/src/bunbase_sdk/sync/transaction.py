"""Reads and writes that belong together. Reads are sent at once; writes are kept for the commit.

Written by `make gen` from core/transaction.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

from bunbase_sdk.core import transaction as core
from bunbase_sdk.page import Page
from bunbase_sdk.sync.driver import Driver

D = TypeVar("D", bound=Mapping[str, object])
W = TypeVar("W", bound=Mapping[str, object])


class Transaction:
    """The reads and writes of one attempt."""

    def __init__(self, calls: core.TransactionCalls, driver: Driver) -> None:
        self._calls = calls
        self._driver = driver

    @overload
    def collection(self, name: str) -> TransactionCollection[dict[str, Any], Mapping[str, object]]: ...
    @overload
    def collection(self, name: str, read: type[D]) -> TransactionCollection[D, Mapping[str, object]]: ...
    @overload
    def collection(self, name: str, read: type[D], write: type[W]) -> TransactionCollection[D, W]: ...
    def collection(self, name: str, read: type[Any] = dict, write: type[Any] = dict) -> TransactionCollection[Any, Any]:
        """Return a collection whose reads and writes belong to this transaction.

        ```python
        accounts = tx.collection("accounts")
        ```
        """
        return TransactionCollection(self._calls.collection(name, read, write), self._driver)


class TransactionCollection(Generic[D, W]):
    """The documents of one collection, within a transaction."""

    def __init__(self, calls: core.TransactionCollectionCalls[D, W], driver: Driver) -> None:
        self._calls = calls
        self._driver = driver

    def get(self, id: str) -> D:
        """Read a document. If the document changes before the commit, the transaction begins again.

        ```python
        account = tx.collection("accounts").get("ada")
        ```
        """
        return self._driver.run(self._calls.get(id))

    def find(self, id: str) -> D | None:
        """Read a document, or return None. If the document exists at the commit, the transaction begins again.

        ```python
        account = tx.collection("accounts").find("ada")
        ```
        """
        return self._driver.run(self._calls.find(id))

    def query(
        self,
        where: Mapping[str, object] | None = None,
        *,
        sort: str | Sequence[str] = (),
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[D]:
        """Return one page. The commit checks the documents of the page, but not whether other documents match now.

        ```python
        page = tx.collection("seats").query({"taken": False}, limit=1)
        ```
        """
        return self._driver.run(self._calls.query(where, sort=sort, limit=limit, cursor=cursor))

    def create(self, document: W) -> None:
        """Create a document at the commit.

        ```python
        tx.collection("entries").create({"amount": -10})
        ```
        """
        self._calls.create(document)

    def put(self, id: str, document: W) -> None:
        """Replace or create a document at the commit.

        ```python
        tx.collection("names").put("ada", {"owner": "usr_1"})
        ```
        """
        self._calls.put(id, document)

    def patch(self, id: str, change: Mapping[str, object]) -> None:
        """Change a document at the commit.

        ```python
        tx.collection("accounts").patch("ada", {"$inc": {"balance": -10}})
        ```
        """
        self._calls.patch(id, change)

    def delete(self, id: str) -> None:
        """Delete a document at the commit.

        ```python
        tx.collection("names").delete("ada")
        ```
        """
        self._calls.delete(id)
