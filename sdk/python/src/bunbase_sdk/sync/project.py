"""The client: every call begins with one of its members.

Written by `make gen` from core/project.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from bunbase_sdk.core import project as core
from bunbase_sdk.core.tokens import ServiceToken
from bunbase_sdk.models import Change, Imported
from bunbase_sdk.sync.auth import Auth
from bunbase_sdk.sync.backups import Backups
from bunbase_sdk.sync.channels import Channels
from bunbase_sdk.sync.collections import Collections, RuleTests
from bunbase_sdk.sync.data import Data
from bunbase_sdk.sync.driver import Driver
from bunbase_sdk.sync.env import Env
from bunbase_sdk.sync.functions import Functions
from bunbase_sdk.sync.jobs import Jobs, Schedules
from bunbase_sdk.sync.users import Users


class Actor:
    """The project as one user sees it: the rules apply."""

    def __init__(self, calls: core.ActorCalls, driver: Driver) -> None:
        self._calls = calls
        self._driver = driver

    @property
    def data(self) -> Data:
        """The documents that this user may read and write."""
        return Data(self._calls.data, self._driver)

    @property
    def functions(self) -> Functions:
        """The functions, called as this user."""
        return Functions(self._calls.functions, self._driver)


class Project:
    """Every part of the project that one credential can use.

    The code of `Client` and `AsyncClient` is generated from this class.
    """

    def __init__(self, calls: core.ProjectCalls, driver: Driver) -> None:
        self._calls = calls
        self._driver = driver

    @property
    def data(self) -> Data:
        """The documents of the project, with all rights: rules do not apply."""
        return Data(self._calls.data, self._driver)

    @property
    def collections(self) -> Collections:
        """The collections: schemas, indexes and rules."""
        return Collections(self._calls.collections, self._driver)

    @property
    def channels(self) -> Channels:
        """The channels: their definitions, and messages."""
        return Channels(self._calls.channels, self._driver)

    @property
    def rules(self) -> RuleTests:
        """Tests of rules."""
        return RuleTests(self._calls.rules, self._driver)

    @property
    def auth(self) -> Auth:
        """Tokens of end users."""
        return Auth(self._calls.auth, self._driver)

    @property
    def users(self) -> Users:
        """The end users of the project."""
        return Users(self._calls.users, self._driver)

    @property
    def functions(self) -> Functions:
        """The functions of the project."""
        return Functions(self._calls.functions, self._driver)

    @property
    def jobs(self) -> Jobs:
        """The jobs of functions."""
        return Jobs(self._calls.jobs, self._driver)

    @property
    def schedules(self) -> Schedules:
        """The schedules of functions."""
        return Schedules(self._calls.schedules, self._driver)

    @property
    def env(self) -> Env:
        """The variables of functions."""
        return Env(self._calls.env, self._driver)

    @property
    def backups(self) -> Backups:
        """The backups of the documents."""
        return Backups(self._calls.backups, self._driver)

    def as_user(self, user: str | None) -> Actor:
        """Return the project as this user sees it; None means a visitor who is not signed in. This sends no request.

        ```python
        posts = client.as_user("usr_1").data.collection("posts")
        ```
        """
        return Actor(self._calls.as_user(user), self._driver)

    def changes(
        self, *, since: int = 0, follow: bool = False, stop_after: float | None = None, timeout: float | None = None
    ) -> Iterator[Change]:
        """Yield every change of documents after `since`, the oldest first, in order and without gaps.

        Keep the `seq` of the change that you have handled, and pass it as `since` when your program starts again.
        `follow`: wait for the next changes, even if the connection breaks or the server restarts. `stop_after`: end
        after this many seconds. Raises: Problem `resync_required`, if the server has deleted the changes after `since`:
        then read the collections, and continue with the problem's `body["last"]`.

        ```python
        for change in client.changes(since=0, follow=True, stop_after=60):
            print(change["seq"], change["op"], change["collection"], change["id"])
        ```
        """
        return self._driver.items(
            self._calls.changes(since=since, follow=follow, stop_after=stop_after, timeout=timeout)
        )

    def export(
        self, collection: str | None = None, *, after: str | None = None, timeout: float | None = None
    ) -> Iterator[dict[str, object]]:
        """Yield all documents, or the documents of one collection.

        Without `collection`, each item is `{"collection": …, "document": {…}}`. If the connection breaks, the client
        continues after the last document. `after`: continue after this id, or after `<collection>/<id>`. `timeout`: the
        timeout for each part.

        ```python
        for document in client.export("posts"):
            print(document["_id"])
        ```
        """
        return self._driver.items(self._calls.export(collection, after=after, timeout=timeout))

    def import_(
        self,
        documents: Iterable[Mapping[str, object]],
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
        result = client.import_([{"_id": "first", "title": "Hello"}], "posts", mode="replace")
        ```
        """
        return self._driver.run(
            self._calls.import_(documents, collection, mode=mode, from_line=from_line, timeout=timeout)
        )

    def token(self, scopes: Sequence[str] = (), *, timeout: float | None = None) -> ServiceToken:
        """Return a token with only these scopes for another program. The token is valid for ten minutes.

        ```python
        token = client.token(["data:posts:read"])
        print(token.value, token.expires_at)
        ```
        """
        return self._driver.run(self._calls.token(scopes, timeout=timeout))
