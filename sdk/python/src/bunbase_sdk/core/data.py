"""The documents of the project."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast, overload

from bunbase_sdk.core.collection import CollectionCalls
from bunbase_sdk.core.deadline import Deadline
from bunbase_sdk.core.flow import Flow, Reply, ask
from bunbase_sdk.core.requests import DataRequests, again
from bunbase_sdk.core.transaction import Kept, TransactionCalls
from bunbase_sdk.core.transport import Wanted
from bunbase_sdk.models import Commit, DocumentWrite

D = TypeVar("D", bound=Mapping[str, object])
W = TypeVar("W", bound=Mapping[str, object])
R = TypeVar("R")
ATTEMPTS: Final = 5


class DataCalls:
    """The documents of the project."""

    def __init__(self, requests: DataRequests) -> None:
        self._requests = requests

    @overload
    def collection(self, name: str) -> CollectionCalls[dict[str, Any], Mapping[str, object]]: ...
    @overload
    def collection(self, name: str, read: type[D]) -> CollectionCalls[D, Mapping[str, object]]: ...
    @overload
    def collection(self, name: str, read: type[D], write: type[W]) -> CollectionCalls[D, W]: ...
    def collection(self, name: str, read: type[Any] = dict, write: type[Any] = dict) -> CollectionCalls[Any, Any]:
        """Return a collection. The call sends no request.

        `read`, `write`: the classes `Post` and `NewPost` that `bunbase gen types --lang py` writes. Only the type
        checker uses these classes.

        ```python
        posts = client.data.collection("posts")
        ```
        """
        return CollectionCalls(name, self._requests)

    def commit(
        self, writes: Sequence[DocumentWrite], *, idempotency_key: str | None = None, timeout: float | None = None
    ) -> Flow[Commit]:
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
        return self._committed(list(writes), idempotency_key, self._requests.transport.deadline(timeout))

    def transaction(
        self,
        work: Callable[[TransactionCalls], Reply[R]],
        *,
        attempts: int = ATTEMPTS,
        timeout: float | None = None,
    ) -> Flow[R]:
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
        within = self._requests.transport.deadline(timeout)

        def once() -> Flow[R]:
            kept = Kept()
            result: R = yield from ask(work, TransactionCalls(self._requests, kept, within))
            if writes := kept.writes():
                yield from self._committed(writes, None, within)
            return result

        return again(attempts, within, once)

    def _committed(self, writes: Sequence[object], idempotency_key: str | None, within: Deadline) -> Flow[Commit]:
        wanted = Wanted("POST", "/v1/commit", {"writes": writes})
        return cast("Commit", (yield from self._requests.write(wanted, idempotency_key, within)))
