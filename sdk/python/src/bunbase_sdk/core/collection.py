"""The documents of one collection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, Final, Generic, TypeVar, cast

from bunbase_sdk.core.deadline import Deadline
from bunbase_sdk.core.flow import Emit, Flow, Items, Maybe, ask
from bunbase_sdk.core.live import emitted_results
from bunbase_sdk.core.pages import page_of
from bunbase_sdk.core.requests import DataRequests, again
from bunbase_sdk.core.transport import NOTHING, Wanted, path, search, without_none
from bunbase_sdk.live_result import LiveResult
from bunbase_sdk.page import Page
from bunbase_sdk.problem import NotFound, invalid_value

D = TypeVar("D", bound=Mapping[str, object])
W = TypeVar("W", bound=Mapping[str, object])
ATTEMPTS: Final = 5
PAGE: Final = 100
COMBINING: Final = frozenset({"$and", "$or", "$nor", "$search"})


class CollectionCalls(Generic[D, W]):
    """A collection. `D`: the type of its documents as they are read. `W`: the type as they are written.

    Every write has an idempotency key, so a retry takes effect once. If you pass your own key, a retry after a restart
    of your program takes no second effect either.
    """

    def __init__(self, name: str, requests: DataRequests) -> None:
        self._path = f"/v1/data{path(name)}"
        self._requests = requests
        self._name = name

    @property
    def name(self) -> str:
        """The name of the collection."""
        return self._name

    def get(self, id: str, *, expand: str | Sequence[str] = (), timeout: float | None = None) -> Flow[D]:
        """Read a document. Raises: NotFound, also for a document that a rule hides.

        `expand`: the references whose documents BunBase adds to the result.

        ```python
        post = client.data.collection("posts").get("first")
        ```
        """
        return self.read(id, self._requests.transport.deadline(timeout), expand)

    def find(self, id: str, *, expand: str | Sequence[str] = (), timeout: float | None = None) -> Flow[D | None]:
        """Read a document, or return None if there is none.

        ```python
        post = client.data.collection("posts").find("first")
        ```
        """
        return self.found(id, self._requests.transport.deadline(timeout), expand)

    def query(
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
    ) -> Flow[Page[D]]:
        """Return one page of the documents that match: at most 500.

        `where`: a filter with the operators of MongoDB. `sort`: fields, with `-` in front for descending order.
        `select`: the only fields to return. `count`: also count all matches. `score`, `highlight`: for `$search`.
        `explain`: also return the query plan, in `page.explain`; it needs the secret key.

        ```python
        page = client.data.collection("posts").query({"likes": {"$gt": 10}}, sort="-likes", limit=50)
        ```
        """
        asked = _query(where, sort, limit, select, count, expand)
        asked |= without_none(cursor=cursor, score=score or None, highlight=highlight, explain=explain or None)
        return self.queried(asked, self._requests.transport.deadline(timeout))

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
    ) -> Items[Page[D]]:
        """Yield page after page. `limit`: the size of a page. `timeout`: the timeout for each page.

        ```python
        for page in client.data.collection("posts").pages(limit=500):
            print(len(page.items))
        ```
        """
        asked = _query(where, sort, limit, select, False, expand)
        while True:
            within = self._requests.transport.deadline(timeout)
            page = yield from self.queried({**asked, **without_none(cursor=cursor)}, within)
            yield Emit(page)
            if page.next is None:
                return
            cursor = page.next

    def all(
        self,
        where: Mapping[str, object] | None = None,
        *,
        sort: str | Sequence[str] = (),
        limit: int = PAGE,
        select: str | Sequence[str] = (),
        expand: str | Sequence[str] = (),
        timeout: float | None = None,
    ) -> Items[D]:
        """Yield all documents that match. `limit`: the size of a page. `timeout`: the timeout for each page.

        ```python
        for post in client.data.collection("posts").all({"draft": True}):
            print(post["_id"])
        ```
        """
        asked = _query(where, sort, limit, select, False, expand)
        cursor: str | None = None
        while True:
            within = self._requests.transport.deadline(timeout)
            page = yield from self.queried({**asked, **without_none(cursor=cursor)}, within)
            for item in page.items:
                yield Emit(item)
            if page.next is None:
                return
            cursor = page.next

    def first(
        self,
        where: Mapping[str, object] | None = None,
        *,
        sort: str | Sequence[str] = (),
        select: str | Sequence[str] = (),
        expand: str | Sequence[str] = (),
        timeout: float | None = None,
    ) -> Flow[D | None]:
        """Return the first document that matches, or None.

        ```python
        newest = client.data.collection("posts").first(sort="-_created")
        ```
        """
        asked = _query(where, sort, 1, select, False, expand)
        page = yield from self.queried(asked, self._requests.transport.deadline(timeout))
        return page.items[0] if page.items else None

    def live(
        self,
        where: Mapping[str, object] | None = None,
        *,
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        select: str | Sequence[str] = (),
        count: bool = False,
        stop_after: float | None = None,
    ) -> Items[LiveResult[D]]:
        """Yield the result of a query, and then each new result as soon as something changes.

        The loop continues after a lost connection and after a restart of the server. The loop may skip states that
        lasted only for a moment. `limit`: at most 500; without it, the result may have 1,000 documents. `stop_after`:
        the loop ends after this many seconds; without it, the loop ends only when you leave it. This method is not
        available with `as_user(…)`.

        ```python
        for result in client.data.collection("posts").live({"draft": False}, sort="-_created", limit=50):
            print(len(result.items), result.added, result.changed, result.removed)
        ```
        """
        asked = {**without_none(where=filter_of(where), limit=limit, count=count or None), "sort": names(sort)}
        asked |= without_none(select=names(select) or None)
        watch = {"query": {"collection": self._name, **asked}}
        return emitted_results(self._requests, watch, lambda result: cast("LiveResult[D]", result), stop_after)

    def live_document(self, id: str, *, stop_after: float | None = None) -> Items[D | None]:
        """Yield a document, and then each new state of it; None while it is missing or a rule hides it.

        `stop_after`: seconds, as in `live`.

        ```python
        for post in client.data.collection("posts").live_document("first"):
            print(post and post["title"])
        ```
        """
        asked = {"doc": {"collection": self._name, "id": id}}

        def document(result: LiveResult[Any]) -> D | None:
            return cast("D", result.items[0]) if result.items else None

        return emitted_results(self._requests, asked, document, stop_after)

    def count(self, where: Mapping[str, object] | None = None, *, timeout: float | None = None) -> Flow[int]:
        """Count the documents that match.

        ```python
        drafts = client.data.collection("posts").count({"draft": True})
        ```
        """
        groups = yield from self.aggregate({"n": {"$count": True}}, where=where, timeout=timeout)
        return int(groups[0]["n"]) if groups else 0

    def aggregate(
        self,
        values: Mapping[str, Mapping[str, object]],
        *,
        where: Mapping[str, object] | None = None,
        group: str | Sequence[str | Mapping[str, object]] = (),
        sort: str | Sequence[str] = (),
        limit: int | None = None,
        timeout: float | None = None,
    ) -> Flow[list[dict[str, Any]]]:
        """Compute values over groups of documents.

        `limit`: the maximum number of groups. `timeout`: the timeout for each page of groups.

        ```python
        totals = client.data.collection("orders").aggregate({"total": {"$sum": "price"}}, group="status")
        ```
        """
        parts = [group] if isinstance(group, str) else list(group)
        body = {
            "values": values,
            **without_none(where=filter_of(where), limit=limit),
            "group": parts,
            "sort": names(sort),
        }
        groups: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            wanted = Wanted("POST", f"{self._path}/aggregate", {**body, **without_none(cursor=cursor)})
            answer = yield from self._requests.read(wanted, self._requests.transport.deadline(timeout))
            groups += answer["items"]
            cursor = answer.get("next")
            if cursor is None or limit is not None:
                return groups

    def create(self, document: W, *, idempotency_key: str | None = None, timeout: float | None = None) -> Flow[D]:
        """Create a document. Raises: Conflict, if its `_id` is taken. A retry creates no second document.

        ```python
        post = client.data.collection("posts").create({"title": "Hello"})
        ```
        """
        wanted = Wanted("POST", self._path, document)
        return self._requests.write(wanted, idempotency_key, self._requests.transport.deadline(timeout))

    def put(
        self,
        id: str,
        document: W,
        *,
        if_rev: int | None = None,
        if_absent: bool = False,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Flow[D]:
        """Replace a document, or create it. Raises: Conflict, if `if_rev` or `if_absent` does not hold.

        ```python
        client.data.collection("posts").put("first", {"title": "Hello"}, if_absent=True)
        ```
        """
        wanted = self._conditional("PUT", id, document, if_rev, if_absent)
        return self._requests.write(wanted, idempotency_key, self._requests.transport.deadline(timeout))

    def patch(
        self,
        id: str,
        change: Mapping[str, object],
        *,
        if_rev: int | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Flow[D]:
        """Change a document by a merge patch, in which None removes a field, or by update operators.

        ```python
        client.data.collection("posts").patch("first", {"$inc": {"likes": 1}})
        ```
        """
        wanted = self._conditional("PATCH", id, change, if_rev)
        return self._requests.write(wanted, idempotency_key, self._requests.transport.deadline(timeout))

    def update(
        self,
        id: str,
        change: Callable[[D], Maybe[Mapping[str, object] | None]],
        *,
        attempts: int = ATTEMPTS,
        timeout: float | None = None,
    ) -> Flow[D]:
        """Read a document and change it. If somebody else has changed the document meanwhile, start again.

        `change` returns a patch or update operators, or None to leave the document as it is.

        ```python
        client.data.collection("posts").update("first", lambda post: {"likes": post["likes"] + 1})
        ```
        """
        within = self._requests.transport.deadline(timeout)

        def once() -> Flow[D]:
            found = yield from self.read(id, within)
            changed = yield from ask(change, found)
            if changed is None:
                return found
            wanted = self._conditional("PATCH", id, changed, cast("int", found["_rev"]))
            return cast("D", (yield from self._requests.write(wanted, None, within)))

        return again(attempts, within, once)

    def delete(
        self,
        id: str,
        *,
        if_rev: int | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Flow[None]:
        """Delete a document. Raises: NotFound, if there is none.

        ```python
        client.data.collection("posts").delete("first")
        ```
        """
        wanted = self._conditional("DELETE", id, NOTHING, if_rev)
        yield from self._requests.write(wanted, idempotency_key, self._requests.transport.deadline(timeout))

    # only this package uses the following methods

    def read(self, id: str, within: Deadline, expand: str | Sequence[str] = ()) -> Flow[D]:
        where = f"{self._path}{path(id)}{search({'expand': ','.join(names(expand)) or None})}"
        return cast("D", (yield from self._requests.read(Wanted("GET", where), within)))

    def found(self, id: str, within: Deadline, expand: str | Sequence[str] = ()) -> Flow[D | None]:
        try:
            return (yield from self.read(id, within, expand))
        except NotFound as problem:
            if problem.code != "document_not_found":
                raise
            return None

    def queried(self, asked: Mapping[str, object], within: Deadline) -> Flow[Page[D]]:
        return page_of((yield from self._requests.read(Wanted("POST", f"{self._path}/query", asked), within)))

    def _conditional(self, method: str, id: str, body: object, if_rev: int | None, if_absent: bool = False) -> Wanted:
        wanted = Wanted(method, f"{self._path}{path(id)}", body)
        # revision 0 means that no document exists, as in a commit
        if if_absent or if_rev == 0:
            return replace(wanted, headers={"If-None-Match": "*"})
        return wanted if if_rev is None else replace(wanted, headers={"If-Match": f'"{if_rev}"'})


def names(given: str | Sequence[str]) -> list[str]:
    """Return a list of names. The caller may pass a single name without a list. Raises: Problem, for a dict or a set.

    Without this check, MongoDB's form `{"likes": -1}` would sort by likes in ascending order, because a dict iterates
    over its keys.
    """
    if isinstance(given, Mapping | Set):
        detail = (
            f'A {type(given).__name__} is no list of names. Write ["-likes", "title"]; a name with - sorts descending.'
        )
        raise invalid_value("", detail)
    return [given] if isinstance(given, str) else list(given)


def filter_of(where: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """Return the filter. Raises: Problem, if it is a whole query (`{"where": …}`), which would match nothing."""
    inner = None if where is None else where.get("where")
    if isinstance(inner, Mapping) and not any(name.startswith("$") and name not in COMBINING for name in inner):
        detail = 'Pass the filter without where. For a field of this name, write {"where": {"$eq": …}}.'
        raise invalid_value("where", detail)
    return where


def _query(
    where: Mapping[str, object] | None,
    sort: str | Sequence[str],
    limit: int,
    select: str | Sequence[str],
    count: bool,
    expand: str | Sequence[str],
) -> dict[str, object]:
    asked = {"sort": names(sort) or None, "select": names(select) or None, "expand": names(expand) or None}
    return without_none(where=filter_of(where), limit=limit, count=count or None, **asked)
