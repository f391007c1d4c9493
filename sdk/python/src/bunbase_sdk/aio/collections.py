"""The collections of the project: schemas, indexes and rules.

Written by `make gen` from core/collections.py.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from bunbase_sdk.aio.driver import AsyncDriver
from bunbase_sdk.core import collections as core
from bunbase_sdk.models import CollectionInfo, CollectionSpec, Decisions, Misfit, OneCase, OneDecision, Rules


class AsyncCollections:
    """The collections of the project: schemas, indexes and rules."""

    def __init__(self, calls: core.CollectionsCalls, driver: AsyncDriver) -> None:
        self._calls = calls
        self._driver = driver

    def list(self, *, timeout: float | None = None) -> AsyncGenerator[CollectionInfo, None]:
        """Yield all collections.

        ```python
        async for collection in client.collections.list():
            print(collection["name"])
        ```
        """
        return self._driver.items(self._calls.list(timeout=timeout))

    async def get(self, name: str, *, timeout: float | None = None) -> CollectionInfo:
        """Return a collection, with the number and the size of its documents. Raises: NotFound.

        ```python
        posts = await client.collections.get("posts")
        ```
        """
        return await self._driver.run(self._calls.get(name, timeout=timeout))

    async def put(
        self, name: str, spec: CollectionSpec, *, wait: bool = True, timeout: float | None = None
    ) -> CollectionInfo:
        """Create or change a collection. Settings that are left out stay unchanged; None removes a setting.

        `wait`: wait until all indexes are built.

        ```python
        await client.collections.put("posts", {"indexes": [{"fields": ["author"]}], "rules": {"list": "true"}})
        ```
        """
        return await self._driver.run(self._calls.put(name, spec, wait=wait, timeout=timeout))

    async def drop(self, name: str, *, timeout: float | None = None) -> None:
        """Delete a collection with all its documents. Raises: NotFound.

        ```python
        await client.collections.drop("posts")
        ```
        """
        await self._driver.run(self._calls.drop(name, timeout=timeout))

    def misfits(
        self,
        name: str,
        *,
        schema: dict[str, Any] | None = None,
        strict: bool | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[Misfit, None]:
        """Yield the documents that violate a schema, by default the saved schema. `timeout`: the timeout for each page.

        ```python
        async for misfit in client.collections.misfits("posts", schema={"required": ["title"]}):
            print(misfit["id"], misfit["errors"])
        ```
        """
        return self._driver.items(self._calls.misfits(name, schema=schema, strict=strict, timeout=timeout))


class AsyncRuleTests:
    """Tests of rules. These methods write no document."""

    def __init__(self, calls: core.RuleTestsCalls, driver: AsyncDriver) -> None:
        self._calls = calls
        self._driver = driver

    async def test(self, case: OneCase, *, timeout: float | None = None) -> OneDecision:
        """Return the decision about one case, with the value of each part of the rule.

        ```python
        decision = await client.rules.test({"collection": "posts", "op": "create", "auth": None, "next": {"n": 1}})
        ```
        """
        return await self._driver.run(self._calls.test(case, timeout=timeout))

    async def test_many(
        self,
        cases: list[OneCase],
        *,
        rules: dict[str, Rules] | None = None,
        documents: dict[str, dict[str, dict[str, Any]]] | None = None,
        timeout: float | None = None,
    ) -> Decisions:
        """Return the decisions about up to 1,000 cases, and the parts of the rules that the cases have used.

        `rules`: the rules to use in place of the saved rules. `documents`: the documents to use in place of the stored
        documents when a rule looks up a document.

        ```python
        decisions = await client.rules.test_many([{"collection": "posts", "op": "list", "auth": {"uid": "u1"}}])
        ```
        """
        return await self._driver.run(self._calls.test_many(cases, rules=rules, documents=documents, timeout=timeout))
