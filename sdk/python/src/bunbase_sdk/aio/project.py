"""The client: every call begins with one of its members.

Written by `make gen` from core/project.py.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
from typing import Literal

from bunbase_sdk.aio.auth import AsyncAuth
from bunbase_sdk.aio.backups import AsyncBackups
from bunbase_sdk.aio.channels import AsyncChannels
from bunbase_sdk.aio.collections import AsyncCollections, AsyncRuleTests
from bunbase_sdk.aio.data import AsyncData
from bunbase_sdk.aio.driver import AsyncDriver
from bunbase_sdk.aio.env import AsyncEnv
from bunbase_sdk.aio.functions import AsyncFunctions
from bunbase_sdk.aio.jobs import AsyncJobs, AsyncSchedules
from bunbase_sdk.aio.users import AsyncUsers
from bunbase_sdk.core import project as core
from bunbase_sdk.core.tokens import ServiceToken
from bunbase_sdk.models import Change, Imported


class AsyncActor:
    """The project as one user sees it: the rules apply."""

    def __init__(self, calls: core.ActorCalls, driver: AsyncDriver) -> None:
        self._calls = calls
        self._driver = driver

    @property
    def data(self) -> AsyncData:
        """The documents that this user may read and write."""
        return AsyncData(self._calls.data, self._driver)

    @property
    def functions(self) -> AsyncFunctions:
        """The functions, called as this user."""
        return AsyncFunctions(self._calls.functions, self._driver)


class AsyncProject:
    """Every part of the project that one credential can use.

    The code of `Client` and `AsyncClient` is generated from this class.
    """

    def __init__(self, calls: core.ProjectCalls, driver: AsyncDriver) -> None:
        self._calls = calls
        self._driver = driver

    @property
    def data(self) -> AsyncData:
        """The documents of the project, with all rights: rules do not apply."""
        return AsyncData(self._calls.data, self._driver)

    @property
    def collections(self) -> AsyncCollections:
        """The collections: schemas, indexes and rules."""
        return AsyncCollections(self._calls.collections, self._driver)

    @property
    def channels(self) -> AsyncChannels:
        """The channels: their definitions, and messages."""
        return AsyncChannels(self._calls.channels, self._driver)

    @property
    def rules(self) -> AsyncRuleTests:
        """Tests of rules."""
        return AsyncRuleTests(self._calls.rules, self._driver)

    @property
    def auth(self) -> AsyncAuth:
        """Tokens of end users."""
        return AsyncAuth(self._calls.auth, self._driver)

    @property
    def users(self) -> AsyncUsers:
        """The end users of the project."""
        return AsyncUsers(self._calls.users, self._driver)

    @property
    def functions(self) -> AsyncFunctions:
        """The functions of the project."""
        return AsyncFunctions(self._calls.functions, self._driver)

    @property
    def jobs(self) -> AsyncJobs:
        """The jobs of functions."""
        return AsyncJobs(self._calls.jobs, self._driver)

    @property
    def schedules(self) -> AsyncSchedules:
        """The schedules of functions."""
        return AsyncSchedules(self._calls.schedules, self._driver)

    @property
    def env(self) -> AsyncEnv:
        """The variables of functions."""
        return AsyncEnv(self._calls.env, self._driver)

    @property
    def backups(self) -> AsyncBackups:
        """The backups of the documents."""
        return AsyncBackups(self._calls.backups, self._driver)

    def as_user(self, user: str | None) -> AsyncActor:
        """Return the project as this user sees it; None means a visitor who is not signed in. This sends no request.

        ```python
        posts = client.as_user("usr_1").data.collection("posts")
        ```
        """
        return AsyncActor(self._calls.as_user(user), self._driver)

    def changes(
        self, *, since: int = 0, follow: bool = False, stop_after: float | None = None, timeout: float | None = None
    ) -> AsyncGenerator[Change, None]:
        """Yield every change of documents after `since`, the oldest first, in order and without gaps.

        Keep the `seq` of the change that you have handled, and pass it as `since` when your program starts again.
        `follow`: wait for the next changes, even if the connection breaks or the server restarts. `stop_after`: end
        after this many seconds. Raises: Problem `resync_required`, if the server has deleted the changes after `since`:
        then read the collections, and continue with the problem's `body["last"]`.

        ```python
        async for change in client.changes(since=0, follow=True, stop_after=60):
            print(change["seq"], change["op"], change["collection"], change["id"])
        ```
        """
        return self._driver.items(
            self._calls.changes(since=since, follow=follow, stop_after=stop_after, timeout=timeout)
        )

    def export(
        self, collection: str | None = None, *, after: str | None = None, timeout: float | None = None
    ) -> AsyncGenerator[dict[str, object], None]:
        """Yield all documents, or the documents of one collection.

        Without `collection`, each item is `{"collection": …, "document": {…}}`. If the connection breaks, the client
        continues after the last document. `after`: continue after this id, or after `<collection>/<id>`. `timeout`: the
        timeout for each part.

        ```python
        async for document in client.export("posts"):
            print(document["_id"])
        ```
        """
        return self._driver.items(self._calls.export(collection, after=after, timeout=timeout))

    async def import_(
        self,
        documents: Iterable[Mapping[str, object]] | AsyncIterable[Mapping[str, object]],
        collection: str | None = None,
        *,
        mode: Literal["create", "replace", "skip"] = "create",
        from_line: int | None = None,
        timeout: float | None = None,
    ) -> Imported:
        """Import documents as an export yields them. `errors` of the result has the lines that were refused.

        The client sends the documents while it reads them. `mode`: what happens if a document already exists.
        `from_line`: the number of the first document, if you send only the rest after a broken import; the problem's
        `last_line` is the last document that was processed.

        ```python
        result = await client.import_([{"_id": "first", "title": "Hello"}], "posts", mode="replace")
        ```
        """
        return await self._driver.run(
            self._calls.import_(documents, collection, mode=mode, from_line=from_line, timeout=timeout)
        )

    async def token(self, scopes: Sequence[str] = (), *, timeout: float | None = None) -> ServiceToken:
        """Return a token with only these scopes for another program. The token is valid for ten minutes.

        ```python
        token = await client.token(["data:posts:read"])
        print(token.value, token.expires_at)
        ```
        """
        return await self._driver.run(self._calls.token(scopes, timeout=timeout))
