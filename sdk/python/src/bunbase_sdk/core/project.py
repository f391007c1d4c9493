"""The client: every call begins with one of its members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, cast

from bunbase_sdk.core.auth import AuthCalls
from bunbase_sdk.core.backups import BackupsCalls
from bunbase_sdk.core.changes import emitted_changes
from bunbase_sdk.core.channels import ChannelsCalls
from bunbase_sdk.core.collections import CollectionsCalls, RuleTestsCalls
from bunbase_sdk.core.data import DataCalls
from bunbase_sdk.core.developer_paths import either_path
from bunbase_sdk.core.env import EnvCalls
from bunbase_sdk.core.flow import Broken, Flow, Items, Source
from bunbase_sdk.core.functions import FunctionsCalls
from bunbase_sdk.core.jobs import JobsCalls, SchedulesCalls
from bunbase_sdk.core.requests import DataRequests
from bunbase_sdk.core.streams import emitted_lines, uploaded
from bunbase_sdk.core.tokens import ServiceToken, exchange
from bunbase_sdk.core.transport import Transport, path, search
from bunbase_sdk.core.users import UsersCalls
from bunbase_sdk.core.verify import Keys
from bunbase_sdk.models import Change, Imported
from bunbase_sdk.problem import invalid_value

AS: Final = "X-Bunbase-As"
NOBODY: Final = "-"


class ActorCalls:
    """The project as one user sees it: the rules apply."""

    def __init__(self, transport: Transport, actor: Mapping[str, str]) -> None:
        self._transport = transport
        self._actor = actor

    @property
    def data(self) -> DataCalls:
        """The documents that this user may read and write."""
        return DataCalls(DataRequests(self._transport, self._actor))

    @property
    def functions(self) -> FunctionsCalls:
        """The functions, called as this user."""
        return FunctionsCalls(self._transport, self._actor)


class ProjectCalls:
    """Every part of the project that one credential can use.

    The code of `Client` and `AsyncClient` is generated from this class.
    """

    def __init__(self, transport: Transport, keys: Keys) -> None:
        self._transport = transport
        self._keys = keys

    @property
    def data(self) -> DataCalls:
        """The documents of the project, with all rights: rules do not apply."""
        return DataCalls(DataRequests(self._transport, {}))

    @property
    def collections(self) -> CollectionsCalls:
        """The collections: schemas, indexes and rules."""
        return CollectionsCalls(self._transport)

    @property
    def channels(self) -> ChannelsCalls:
        """The channels: their definitions, and messages."""
        return ChannelsCalls(self._transport)

    @property
    def rules(self) -> RuleTestsCalls:
        """Tests of rules."""
        return RuleTestsCalls(self._transport)

    @property
    def auth(self) -> AuthCalls:
        """Tokens of end users."""
        return AuthCalls(self._transport, self._keys)

    @property
    def users(self) -> UsersCalls:
        """The end users of the project."""
        return UsersCalls(self._transport)

    @property
    def functions(self) -> FunctionsCalls:
        """The functions of the project."""
        return FunctionsCalls(self._transport, {})

    @property
    def jobs(self) -> JobsCalls:
        """The jobs of functions."""
        return JobsCalls(self._transport)

    @property
    def schedules(self) -> SchedulesCalls:
        """The schedules of functions."""
        return SchedulesCalls(self._transport)

    @property
    def env(self) -> EnvCalls:
        """The variables of functions."""
        return EnvCalls(self._transport)

    @property
    def backups(self) -> BackupsCalls:
        """The backups of the documents."""
        return BackupsCalls(self._transport)

    def as_user(self, user: str | None) -> ActorCalls:
        """Return the project as this user sees it; None means a visitor who is not signed in. This sends no request.

        ```python
        posts = client.as_user("usr_1").data.collection("posts")
        ```
        """
        if user is not None:
            path(user)  # this refuses an empty id, which would mean a visitor
        return ActorCalls(self._transport, {AS: NOBODY if user is None else user})

    def changes(
        self,
        *,
        since: int = 0,
        follow: bool = False,
        stop_after: float | None = None,
        timeout: float | None = None,
    ) -> Items[Change]:
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
        return emitted_changes(self._transport, since, follow, stop_after, timeout)

    def export(
        self, collection: str | None = None, *, after: str | None = None, timeout: float | None = None
    ) -> Items[dict[str, object]]:
        """Yield all documents, or the documents of one collection.

        Without `collection`, each item is `{"collection": …, "document": {…}}`. If the connection breaks, the client
        continues after the last document. `after`: continue after this id, or after `<collection>/<id>`. `timeout`: the
        timeout for each part.

        ```python
        for document in client.export("posts"):
            print(document["_id"])
        ```
        """

        base = either_path(self._transport, "export")

        def address(last: object) -> str:
            done = _place(last, collection) if isinstance(last, Mapping) else after
            return f"{base}{search({'collection': collection, 'after': done})}"

        return emitted_lines(self._transport, address, timeout)

    def import_(
        self,
        documents: Source[Mapping[str, object]],
        collection: str | None = None,
        *,
        mode: Literal["create", "replace", "skip"] = "create",
        from_line: int | None = None,
        timeout: float | None = None,
    ) -> Flow[Imported]:
        """Import documents as an export yields them. `errors` of the result has the lines that were refused.

        The client sends the documents while it reads them. `mode`: what happens if a document already exists.
        `from_line`: the number of the first document, if you send only the rest after a broken import; the problem's
        `last_line` is the last document that was processed.

        ```python
        result = client.import_([{"_id": "first", "title": "Hello"}], "posts", mode="replace")
        ```
        """
        values = {"collection": collection, "mode": mode, "from_line": from_line}
        where = either_path(self._transport, "import") + search(values)
        return cast("Imported", (yield from uploaded(self._transport, where, documents, from_line, timeout)))

    def token(self, scopes: Sequence[str] = (), *, timeout: float | None = None) -> Flow[ServiceToken]:
        """Return a token with only these scopes for another program. The token is valid for ten minutes.

        ```python
        token = client.token(["data:posts:read"])
        print(token.value, token.expires_at)
        ```
        """
        if isinstance(scopes, str):
            raise invalid_value("scopes", "Pass a list of scopes.")
        within = self._transport.deadline(timeout)
        try:
            return (yield from exchange(self._transport.url, self._transport.credential, scopes, within))
        except Broken as broken:
            raise self._transport.unreachable(broken, within) from broken


def _place(line: Mapping[str, object], collection: str | None) -> str:
    """Return the position after this line, at which an export continues."""
    if collection is not None:
        return str(line["_id"])
    document = line["document"]
    return f"{line['collection']}/{document['_id']}" if isinstance(document, Mapping) else ""
