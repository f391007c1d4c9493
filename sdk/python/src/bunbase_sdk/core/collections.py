"""The collections of the project: schemas, indexes and rules."""

from __future__ import annotations

from typing import Any, Final, cast

from bunbase_sdk.core.flow import Emit, Flow, Items
from bunbase_sdk.core.transport import Transport, Wanted, path, search, without_none
from bunbase_sdk.models import CollectionInfo, CollectionSpec, Decisions, Misfit, OneCase, OneDecision, Rules

COLLECTIONS: Final = "/v1/collections"
PAGE: Final = 100


class CollectionsCalls:
    """The collections of the project: schemas, indexes and rules."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, timeout: float | None = None) -> Items[CollectionInfo]:
        """Yield all collections.

        ```python
        for collection in client.collections.list():
            print(collection["name"])
        ```
        """
        wanted = Wanted("GET", COLLECTIONS, repeatable=True)
        answer = yield from self._transport.json(wanted, self._transport.deadline(timeout))
        for item in answer["items"]:
            yield Emit(item)

    def get(self, name: str, *, timeout: float | None = None) -> Flow[CollectionInfo]:
        """Return a collection, with the number and the size of its documents. Raises: NotFound.

        ```python
        posts = client.collections.get("posts")
        ```
        """
        wanted = Wanted("GET", COLLECTIONS + path(name), repeatable=True)
        return cast("CollectionInfo", (yield from self._transport.json(wanted, self._transport.deadline(timeout))))

    def put(
        self, name: str, spec: CollectionSpec, *, wait: bool = True, timeout: float | None = None
    ) -> Flow[CollectionInfo]:
        """Create or change a collection. Settings that are left out stay unchanged; None removes a setting.

        `wait`: wait until all indexes are built.

        ```python
        client.collections.put("posts", {"indexes": [{"fields": ["author"]}], "rules": {"list": "true"}})
        ```
        """
        where = COLLECTIONS + path(name) + search({"wait": wait})
        wanted = Wanted("PUT", where, spec, repeatable=True)
        return cast("CollectionInfo", (yield from self._transport.json(wanted, self._transport.deadline(timeout))))

    def drop(self, name: str, *, timeout: float | None = None) -> Flow[None]:
        """Delete a collection with all its documents. Raises: NotFound.

        ```python
        client.collections.drop("posts")
        ```
        """
        yield from self._transport.json(Wanted("DELETE", COLLECTIONS + path(name)), self._transport.deadline(timeout))

    def misfits(
        self,
        name: str,
        *,
        schema: dict[str, Any] | None = None,
        strict: bool | None = None,
        timeout: float | None = None,
    ) -> Items[Misfit]:
        """Yield the documents that violate a schema, by default the saved schema. `timeout`: the timeout for each page.

        ```python
        for misfit in client.collections.misfits("posts", schema={"required": ["title"]}):
            print(misfit["id"], misfit["errors"])
        ```
        """
        cursor: str | None = None
        while True:
            body = without_none(schema=schema, strict=strict, cursor=cursor, limit=PAGE)
            wanted = Wanted("POST", COLLECTIONS + path(name, "misfits"), body, repeatable=True)
            page = yield from self._transport.json(wanted, self._transport.deadline(timeout))
            for item in page["items"]:
                yield Emit(item)
            cursor = page["next"]
            if cursor is None:
                return


class RuleTestsCalls:
    """Tests of rules. These methods write no document."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def test(self, case: OneCase, *, timeout: float | None = None) -> Flow[OneDecision]:
        """Return the decision about one case, with the value of each part of the rule.

        ```python
        decision = client.rules.test({"collection": "posts", "op": "create", "auth": None, "next": {"n": 1}})
        ```
        """
        wanted = Wanted("POST", "/v1/rules/test", case, repeatable=True)
        return cast("OneDecision", (yield from self._transport.json(wanted, self._transport.deadline(timeout))))

    def test_many(
        self,
        cases: list[OneCase],
        *,
        rules: dict[str, Rules] | None = None,
        documents: dict[str, dict[str, dict[str, Any]]] | None = None,
        timeout: float | None = None,
    ) -> Flow[Decisions]:
        """Return the decisions about up to 1,000 cases, and the parts of the rules that the cases have used.

        `rules`: the rules to use in place of the saved rules. `documents`: the documents to use in place of the stored
        documents when a rule looks up a document.

        ```python
        decisions = client.rules.test_many([{"collection": "posts", "op": "list", "auth": {"uid": "u1"}}])
        ```
        """
        body = {"cases": cases, **without_none(rules=rules, documents=documents)}
        wanted = Wanted("POST", "/v1/rules/test", body, repeatable=True)
        return cast("Decisions", (yield from self._transport.json(wanted, self._transport.deadline(timeout))))
