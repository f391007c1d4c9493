"""The documents of one collection.

Written by `make gen` from core/collection.py.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from typing import Any, Generic, TypeVar

from bunbase_sdk.aio.driver import AsyncDriver
from bunbase_sdk.core import collection as core
from bunbase_sdk.core.collection import ATTEMPTS, PAGE
from bunbase_sdk.live_result import LiveResult
from bunbase_sdk.page import Page

D = TypeVar("D", bound=Mapping[str, object])
W = TypeVar("W", bound=Mapping[str, object])


class AsyncCollection(Generic[D, W]):
    """A collection. `D`: the type of its documents as they are read. `W`: the type as they are written.

    Every write has an idempotency key, so a retry takes effect once. If you pass your own key, a retry after a restart
    of your program takes no second effect either.
    """

    def __init__(self, calls: core.CollectionCalls[D, W], driver: AsyncDriver) -> None:
        self._calls = calls
        self._driver = driver

    @property
    def name(self) -> str:
        """The name of the collection."""
        return self._calls.name

    async def get(self, id: str, *, expand: str | Sequence[str] = (), timeout: float | None = None) -> D:
        """Read a document. Raises: NotFound, also for a document that a rule hides.

        `expand`: the references whose documents BunBase adds to the result.

        ```python
        post = await client.data.collection("posts").get("first")
        ```
        """
        return await self._driver.run(self._calls.get(id, expand=expand, timeout=timeout))

    async def find(self, id: str, *, expand: str | Sequence[str] = (), timeout: float | None = None) -> D | None:
        """Read a document, or return None if there is none.

        ```python
        post = await client.data.collection("posts").find("first")
        ```
        """
        return await self._driver.run(self._calls.find(id, expand=expand, timeout=timeout))

    async def query(
        self,
        where: Mapping[str, object] | None = None,
        *,
        sort: str | Sequence[str] = (),
        limit: int = 20,
        cursor: str | None = None,
        select: str | Sequence[str] = (),
        count: bool = False,
        expand: str | Sequence[str] = (),
        score: bool = False,
        highlight: Mapping[str, object] | None = None,
        explain: bool = False,
        timeout: float | None = None,
    ) -> Page[D]:
        """Return one page of the documents that match: at most 500.

        `where`: a filter with the operators of MongoDB. `sort`: fields, with `-` in front for descending order.
        `select`: the only fields to return. `count`: also count all matches. `score`, `highlight`: for `$search`.
        `explain`: also return the query plan, in `page.explain`; it needs the secret key.

        ```python
        page = await client.data.collection("posts").query({"likes": {"$gt": 10}}, sort="-likes", limit=50)
        ```
        """
        return await self._driver.run(
            self._calls.query(
                where,
                sort=sort,
                limit=limit,
                cursor=cursor,
                select=select,
                count=count,
                expand=expand,
                score=score,
                highlight=highlight,
                explain=explain,
                timeout=timeout,
            )
        )

    def pages(
        self,
        where: Mapping[str, object] | None = None,
        *,
        sort: str | Sequence[str] = (),
        limit: int = PAGE,
        cursor: str | None = None,
        select: str | Sequence[str] = (),
        expand: str | Sequence[str] = (),
        timeout: float | None = None,
    ) -> AsyncGenerator[Page[D], None]:
        """Yield page after page. `limit`: the size of a page. `timeout`: the timeout for each page.

        ```python
        async for page in client.data.collection("posts").pages(limit=500):
            print(len(page.items))
        ```
        """
        return self._driver.items(
            self._calls.pages(
                where, sort=sort, limit=limit, cursor=cursor, select=select, expand=expand, timeout=timeout
            )
        )

    def all(
        self,
        where: Mapping[str, object] | None = None,
        *,
        sort: str | Sequence[str] = (),
        limit: int = PAGE,
        select: str | Sequence[str] = (),
        expand: str | Sequence[str] = (),
        timeout: float | None = None,
    ) -> AsyncGenerator[D, None]:
        """Yield all documents that match. `limit`: the size of a page. `timeout`: the timeout for each page.

        ```python
        async for post in client.data.collection("posts").all({"draft": True}):
            print(post["_id"])
        ```
        """
        return self._driver.items(
            self._calls.all(where, sort=sort, limit=limit, select=select, expand=expand, timeout=timeout)
        )

    async def first(
        self,
        where: Mapping[str, object] | None = None,
        *,
        sort: str | Sequence[str] = (),
        select: str | Sequence[str] = (),
        expand: str | Sequence[str] = (),
        timeout: float | None = None,
    ) -> D | None:
        """Return the first document that matches, or None.

        ```python
        newest = await client.data.collection("posts").first(sort="-_created")
        ```
        """
        return await self._driver.run(
            self._calls.first(where, sort=sort, select=select, expand=expand, timeout=timeout)
        )

    def live(
        self,
        where: Mapping[str, object] | None = None,
        *,
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        select: str | Sequence[str] = (),
        count: bool = False,
        stop_after: float | None = None,
    ) -> AsyncGenerator[LiveResult[D], None]:
        """Yield the result of a query, and then each new result as soon as something changes.

        The loop continues after a lost connection and after a restart of the server. The loop may skip states that
        lasted only for a moment. `limit`: at most 500; without it, the result may have 1,000 documents. `stop_after`:
        the loop ends after this many seconds; without it, the loop ends only when you leave it. This method is not
        available with `as_user(…)`.

        ```python
        async for result in client.data.collection("posts").live({"draft": False}, sort="-_created", limit=50):
            print(len(result.items), result.added, result.changed, result.removed)
        ```
        """
        return self._driver.items(
            self._calls.live(where, sort=sort, limit=limit, select=select, count=count, stop_after=stop_after)
        )

    def live_document(self, id: str, *, stop_after: float | None = None) -> AsyncGenerator[D | None, None]:
        """Yield a document, and then each new state of it; None while it is missing or a rule hides it.

        `stop_after`: seconds, as in `live`.

        ```python
        async for post in client.data.collection("posts").live_document("first"):
            print(post and post["title"])
        ```
        """
        return self._driver.items(self._calls.live_document(id, stop_after=stop_after))

    async def count(self, where: Mapping[str, object] | None = None, *, timeout: float | None = None) -> int:
        """Count the documents that match.

        ```python
        drafts = await client.data.collection("posts").count({"draft": True})
        ```
        """
        return await self._driver.run(self._calls.count(where, timeout=timeout))

    async def aggregate(
        self,
        values: Mapping[str, Mapping[str, object]],
        *,
        where: Mapping[str, object] | None = None,
        group: str | Sequence[str | Mapping[str, object]] = (),
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        timeout: float | None = None,
    ) -> list[dict[str, Any]]:
        """Compute values over groups of documents.

        `limit`: the maximum number of groups. `timeout`: the timeout for each page of groups.

        ```python
        totals = await client.data.collection("orders").aggregate({"total": {"$sum": "price"}}, group="status")
        ```
        """
        return await self._driver.run(
            self._calls.aggregate(values, where=where, group=group, sort=sort, limit=limit, timeout=timeout)
        )

    async def create(self, document: W, *, idempotency_key: str | None = None, timeout: float | None = None) -> D:
        """Create a document. Raises: Conflict, if its `_id` is taken. A retry creates no second document.

        ```python
        post = await client.data.collection("posts").create({"title": "Hello"})
        ```
        """
        return await self._driver.run(self._calls.create(document, idempotency_key=idempotency_key, timeout=timeout))

    async def put(
        self,
        id: str,
        document: W,
        *,
        if_rev: int | None = None,
        if_absent: bool = False,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> D:
        """Replace a document, or create it. Raises: Conflict, if `if_rev` or `if_absent` does not hold.

        ```python
        await client.data.collection("posts").put("first", {"title": "Hello"}, if_absent=True)
        ```
        """
        return await self._driver.run(
            self._calls.put(
                id, document, if_rev=if_rev, if_absent=if_absent, idempotency_key=idempotency_key, timeout=timeout
            )
        )

    async def patch(
        self,
        id: str,
        change: Mapping[str, object],
        *,
        if_rev: int | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> D:
        """Change a document by a merge patch, in which None removes a field, or by update operators.

        ```python
        await client.data.collection("posts").patch("first", {"$inc": {"likes": 1}})
        ```
        """
        return await self._driver.run(
            self._calls.patch(id, change, if_rev=if_rev, idempotency_key=idempotency_key, timeout=timeout)
        )

    async def update(
        self,
        id: str,
        change: Callable[[D], Awaitable[Mapping[str, object] | None] | Mapping[str, object] | None],
        *,
        attempts: int = ATTEMPTS,
        timeout: float | None = None,
    ) -> D:
        """Read a document and change it. If somebody else has changed the document meanwhile, start again.

        `change` returns a patch or update operators, or None to leave the document as it is.

        ```python
        await client.data.collection("posts").update("first", lambda post: {"likes": post["likes"] + 1})
        ```
        """
        return await self._driver.run(self._calls.update(id, change, attempts=attempts, timeout=timeout))

    async def delete(
        self, id: str, *, if_rev: int | None = None, idempotency_key: str | None = None, timeout: float | None = None
    ) -> None:
        """Delete a document. Raises: NotFound, if there is none.

        ```python
        await client.data.collection("posts").delete("first")
        ```
        """
        await self._driver.run(self._calls.delete(id, if_rev=if_rev, idempotency_key=idempotency_key, timeout=timeout))
