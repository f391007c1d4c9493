"""Reads and writes that belong together. Reads are sent at once; writes are kept for the commit.

Written by `make gen` from core/transaction.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

from bunbase_sdk.aio.driver import AsyncDriver
from bunbase_sdk.core import transaction as core
from bunbase_sdk.page import Page

D = TypeVar("D", bound=Mapping[str, object])
W = TypeVar("W", bound=Mapping[str, object])


class AsyncTransaction:
    """The reads and writes of one attempt."""

    def __init__(self, calls: core.TransactionCalls, driver: AsyncDriver) -> None:
        self._calls = calls
        self._driver = driver

    @overload
    def collection(self, name: str) -> AsyncTransactionCollection[dict[str, Any], Mapping[str, object]]: ...
    @overload
    def collection(self, name: str, read: type[D]) -> AsyncTransactionCollection[D, Mapping[str, object]]: ...
    @overload
    def collection(self, name: str, read: type[D], write: type[W]) -> AsyncTransactionCollection[D, W]: ...
    def collection(
        self, name: str, read: type[Any] = dict, write: type[Any] = dict
    ) -> AsyncTransactionCollection[Any, Any]:
        """Return a collection whose reads and writes belong to this transaction.

        ```python
        accounts = tx.collection("accounts")
        ```
        """
        return AsyncTransactionCollection(self._calls.collection(name, read, write), self._driver)


class AsyncTransactionCollection(Generic[D, W]):
    """The documents of one collection, within a transaction."""

    def __init__(self, calls: core.TransactionCollectionCalls[D, W], driver: AsyncDriver) -> None:
        self._calls = calls
        self._driver = driver

    async def get(self, id: str) -> D:
        """Read a document. If the document changes before the commit, the transaction begins again.

        ```python
        account = await tx.collection("accounts").get("ada")
        ```
        """
        return await self._driver.run(self._calls.get(id))

    async def find(self, id: str) -> D | None:
        """Read a document, or return None. If the document exists at the commit, the transaction begins again.

        ```python
        account = await tx.collection("accounts").find("ada")
        ```
        """
        return await self._driver.run(self._calls.find(id))

    async def query(
        self,
        where: Mapping[str, object] | None = None,
        *,
        sort: str | Sequence[str] = (),
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[D]:
        """Return one page. The commit checks the documents of the page, but not whether other documents match now.

        ```python
        page = await tx.collection("seats").query({"taken": False}, limit=1)
        ```
        """
        return await self._driver.run(self._calls.query(where, sort=sort, limit=limit, cursor=cursor))

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
