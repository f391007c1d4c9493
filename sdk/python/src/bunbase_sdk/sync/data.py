"""The documents of the project.

Written by `make gen` from core/data.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, overload

from bunbase_sdk.core import data as core
from bunbase_sdk.core.data import ATTEMPTS
from bunbase_sdk.models import Commit, DocumentWrite
from bunbase_sdk.sync.collection import Collection
from bunbase_sdk.sync.driver import Driver
from bunbase_sdk.sync.transaction import Transaction

D = TypeVar("D", bound=Mapping[str, object])
W = TypeVar("W", bound=Mapping[str, object])
R = TypeVar("R")


class Data:
    """The documents of the project."""

    def __init__(self, calls: core.DataCalls, driver: Driver) -> None:
        self._calls = calls
        self._driver = driver

    @overload
    def collection(self, name: str) -> Collection[dict[str, Any], Mapping[str, object]]: ...
    @overload
    def collection(self, name: str, read: type[D]) -> Collection[D, Mapping[str, object]]: ...
    @overload
    def collection(self, name: str, read: type[D], write: type[W]) -> Collection[D, W]: ...
    def collection(self, name: str, read: type[Any] = dict, write: type[Any] = dict) -> Collection[Any, Any]:
        """Return a collection. The call sends no request.

        `read`, `write`: the classes `Post` and `NewPost` that `bunbase gen types --lang py` writes. Only the type
        checker uses these classes.

        ```python
        posts = client.data.collection("posts")
        ```
        """
        return Collection(self._calls.collection(name, read, write), self._driver)

    def commit(
        self, writes: Sequence[DocumentWrite], *, idempotency_key: str | None = None, timeout: float | None = None
    ) -> Commit:
        """Perform all writes, or none of them. A commit contains at most 500 writes.

        ```python
        client.data.commit(
            [
                {"op": "patch", "collection": "accounts", "id": "ada", "data": {"$inc": {"balance": -10}}},
                {"op": "patch", "collection": "accounts", "id": "eve", "data": {"$inc": {"balance": 10}}},
            ]
        )
        ```
        """
        return self._driver.run(self._calls.commit(writes, idempotency_key=idempotency_key, timeout=timeout))

    def transaction(
        self, work: Callable[[Transaction], R], *, attempts: int = ATTEMPTS, timeout: float | None = None
    ) -> R:
        """Run `work` with reads and writes that belong together, and return its result.

        If a document that `work` has read changes before the commit, nothing is written, and `work` runs again, up to
        five times in all. So `work` should only read and write documents.

        ```python
        def transfer(tx: Transaction) -> None:
            account = tx.collection("accounts").get("ada")
            if account["balance"] < 10:
                raise ValueError("too little")
            tx.collection("accounts").patch("ada", {"balance": account["balance"] - 10})


        client.data.transaction(transfer)
        ```
        """
        return self._driver.run(
            self._calls.transaction(
                lambda calls: work(Transaction(calls, self._driver)), attempts=attempts, timeout=timeout
            )
        )
