"""The end users of the project, with the rights of the project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, Unpack, cast

from bunbase_sdk.core.flow import Flow, Items, Source
from bunbase_sdk.core.invites import InvitesCalls
from bunbase_sdk.core.pages import all_listed, listed
from bunbase_sdk.core.streams import emitted_lines, uploaded
from bunbase_sdk.core.transport import NOTHING, Transport, Wanted, path, search, without_none
from bunbase_sdk.models import (
    BulkAction,
    BulkFilter,
    BulkResult,
    HandedLink,
    Impersonated,
    ImportedUsers,
    LinkKind,
    ManagedActivityEntry,
    ManagedUser,
    NewUser,
    UserChanges,
    UserLine,
    UserSession,
)
from bunbase_sdk.page import Page
from bunbase_sdk.problem import NotFound

USERS: Final = "/v1/auth/users"
PAGE: Final = 100


class UsersCalls:
    """The end users of the project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    @property
    def invites(self) -> InvitesCalls:
        """The invitations of people who have no account yet."""
        return InvitesCalls(self._transport)

    def get(self, user: str, *, timeout: float | None = None) -> Flow[ManagedUser]:
        """Return a user by id. Raises: NotFound.

        ```python
        user = client.users.get("usr_1")
        ```
        """
        return self._json("GET", path(user), timeout, repeatable=True)

    def get_by_email(self, email: str, *, timeout: float | None = None) -> Flow[ManagedUser]:
        """Return the user with this address. Raises: NotFound.

        ```python
        user = client.users.get_by_email("eve@example.com")
        ```
        """
        page = yield from listed(self._transport, USERS, {"email": email}, self._transport.deadline(timeout))
        if not page.items:
            raise NotFound("user_not_found", "There is no user with this address.", status=404)
        return cast("ManagedUser", page.items[0])

    def list(
        self,
        *,
        q: str | None = None,
        email: str | None = None,
        phone: str | None = None,
        provider: str | None = None,
        role: str | None = None,
        banned: bool | None = None,
        anonymous: bool | None = None,
        created_since: datetime | str | None = None,
        order: Literal["newest", "oldest", "email"] | None = None,
        limit: int = 20,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> Flow[Page[ManagedUser]]:
        """Return one page of the users for whom all conditions hold. `q`: the beginning of the address or the name.

        ```python
        page = client.users.list(role="editor", limit=50)
        ```
        """
        values: dict[str, object] = {
            "q": q,
            "email": email,
            "phone": phone,
            "provider": provider,
            "role": role,
            "banned": banned,
        }
        values |= {"anonymous": anonymous, "created_since": created_since, "order": order}
        values |= {"limit": limit, "cursor": cursor}
        return listed(self._transport, USERS, values, self._transport.deadline(timeout))

    def all(
        self,
        *,
        q: str | None = None,
        provider: str | None = None,
        role: str | None = None,
        banned: bool | None = None,
        anonymous: bool | None = None,
        created_since: datetime | str | None = None,
        order: Literal["newest", "oldest", "email"] | None = None,
        timeout: float | None = None,
    ) -> Items[ManagedUser]:
        """Yield all users for whom the conditions hold, page by page. `timeout`: for each page.

        ```python
        for user in client.users.all(banned=True):
            print(user["id"])
        ```
        """
        values: dict[str, object] = {
            "q": q,
            "provider": provider,
            "role": role,
            "banned": banned,
            "anonymous": anonymous,
        }
        values |= {"created_since": created_since, "order": order, "limit": PAGE}
        return all_listed(self._transport, USERS, values, timeout)

    def create(self, *, timeout: float | None = None, **user: Unpack[NewUser]) -> Flow[ManagedUser]:
        """Create a user with an address, a phone number or both. Raises: Conflict, if one of them is taken.

        ```python
        user = client.users.create(email="eve@example.com", role="editor", claims={"team": "one"})
        ```
        """
        return self._json("POST", "", timeout, user)

    def update(self, user: str, *, timeout: float | None = None, **changes: Unpack[UserChanges]) -> Flow[ManagedUser]:
        """Change the named fields and keep all others.

        If the change affects the content of access tokens, the old tokens end within a second.

        `banned=True` bans the user, and `banned_until` is the end of the ban.

        ```python
        client.users.update("usr_1", role="editor", banned=False)
        ```
        """
        return self._json("PATCH", path(user), timeout, changes, repeatable=True)

    def delete(self, user: str, *, timeout: float | None = None) -> Flow[None]:
        """Delete a user. Raises: NotFound.

        ```python
        client.users.delete("usr_1")
        ```
        """
        return self._json("DELETE", path(user), timeout)

    def sign_out(self, user: str, *, timeout: float | None = None) -> Flow[None]:
        """End all sessions of a user. Idempotent.

        ```python
        client.users.sign_out("usr_1")
        ```
        """
        return self._json("DELETE", path(user, "sessions"), timeout, repeatable=True)

    def sessions(self, user: str, *, timeout: float | None = None) -> Items[UserSession]:
        """Yield the valid sessions of a user.

        ```python
        for session in client.users.sessions("usr_1"):
            print(session["ip"], session["last_used_at"])
        ```
        """
        return all_listed(self._transport, USERS + path(user, "sessions"), {"limit": PAGE}, timeout)

    def activity(self, user: str, *, timeout: float | None = None) -> Items[ManagedActivityEntry]:
        """Yield sign-ins, refused sign-ins and changes of the sign-in methods, the newest first.

        ```python
        for entry in client.users.activity("usr_1"):
            print(entry["at"], entry["action"], entry["outcome"])
        ```
        """
        return all_listed(self._transport, USERS + path(user, "activity"), {"limit": PAGE}, timeout)

    def impersonate(self, user: str, *, reason: str = "", timeout: float | None = None) -> Flow[Impersonated]:
        """Return a token with which you use the app in the user's place. BunBase logs the reason in the audit log.

        ```python
        session = client.users.impersonate("usr_1", reason="ticket 4711")
        ```
        """
        return self._json("POST", path(user, "impersonate"), timeout, {"reason": reason})

    def create_link(
        self, user: str, kind: LinkKind, *, redirect_to: str | None = None, timeout: float | None = None
    ) -> Flow[HandedLink]:
        """Return the link of a mail, without sending the mail. `redirect_to`: one of the project's `redirect_urls`.

        ```python
        link = client.users.create_link("usr_1", "password_reset")
        ```
        """
        body = {"kind": kind, **without_none(redirect_to=redirect_to)}
        return self._json("POST", path(user, "links"), timeout, body)

    def reset_factors(self, user: str, *, timeout: float | None = None) -> Flow[None]:
        """Remove the second factors and passkeys of a user who has lost them.

        ```python
        client.users.reset_factors("usr_1")
        ```
        """
        return self._json("POST", path(user, "reset-factors"), timeout)

    def change_many(
        self,
        action: BulkAction,
        *,
        ids: Sequence[str] | None = None,
        filter: BulkFilter | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> Flow[BulkResult]:
        """Ban, unban, delete or sign out up to 1,000 users: the users in `ids`, or the next users that match `filter`.

        ```python
        result = client.users.change_many("sign_out", filter={"role": "guest"})
        ```
        """
        given = without_none(ids=None if ids is None else [*ids], filter=filter, limit=limit, cursor=cursor)
        return self._json("POST", "/bulk", timeout, {"action": action, **given})

    def export(
        self, *, hashes: bool = False, after: str | None = None, timeout: float | None = None
    ) -> Items[UserLine]:
        """Yield all users, in the order of their ids.

        If the connection breaks, the client continues after the last user.

        `hashes`: also export the hashes of passwords. `after`: continue after this id. `timeout`: the timeout for each
        part.

        ```python
        for user in client.users.export():
            print(user["id"])
        ```
        """

        def address(last: object) -> str:
            done = last["id"] if isinstance(last, Mapping) else after
            return f"{USERS}/export{search({'hashes': hashes or None, 'after': done})}"

        return emitted_lines(self._transport, address, timeout)

    def import_(
        self,
        users: Source[Mapping[str, object]],
        *,
        on_conflict: Literal["skip", "update", "error"] = "skip",
        dry_run: bool = False,
        from_line: int | None = None,
        timeout: float | None = None,
    ) -> Flow[ImportedUsers]:
        """Import users with their ids and the hashes of their passwords. `errors` of the result has the refused lines.

        The client sends the users while it reads them. `from_line`: the number of the first user, if you send only the
        rest after a broken import.

        ```python
        result = client.users.import_([{"id": "u1", "email": "eve@example.com"}], on_conflict="update")
        ```
        """
        values = {"on_conflict": on_conflict, "dry_run": dry_run or None, "from_line": from_line}
        where = f"{USERS}/import{search(values)}"
        return cast("ImportedUsers", (yield from uploaded(self._transport, where, users, from_line, timeout)))

    def _json(
        self, method: str, where: str, timeout: float | None, body: object = NOTHING, repeatable: bool = False
    ) -> Flow[Any]:
        wanted = Wanted(method, USERS + where, body, repeatable=repeatable)
        return self._transport.json(wanted, self._transport.deadline(timeout))
