"""The end users of the project, with the rights of the project.

Written by `make gen` from core/users.py.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Unpack

from bunbase_sdk.aio.driver import AsyncDriver
from bunbase_sdk.aio.invites import AsyncInvites
from bunbase_sdk.core import users as core
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


class AsyncUsers:
    """The end users of the project."""

    def __init__(self, calls: core.UsersCalls, driver: AsyncDriver) -> None:
        self._calls = calls
        self._driver = driver

    @property
    def invites(self) -> AsyncInvites:
        """The invitations of people who have no account yet."""
        return AsyncInvites(self._calls.invites, self._driver)

    async def get(self, user: str, *, timeout: float | None = None) -> ManagedUser:
        """Return a user by id. Raises: NotFound.

        ```python
        user = await client.users.get("usr_1")
        ```
        """
        return await self._driver.run(self._calls.get(user, timeout=timeout))

    async def get_by_email(self, email: str, *, timeout: float | None = None) -> ManagedUser:
        """Return the user with this address. Raises: NotFound.

        ```python
        user = await client.users.get_by_email("eve@example.com")
        ```
        """
        return await self._driver.run(self._calls.get_by_email(email, timeout=timeout))

    async def list(
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
    ) -> Page[ManagedUser]:
        """Return one page of the users for whom all conditions hold. `q`: the beginning of the address or the name.

        ```python
        page = await client.users.list(role="editor", limit=50)
        ```
        """
        return await self._driver.run(
            self._calls.list(
                q=q,
                email=email,
                phone=phone,
                provider=provider,
                role=role,
                banned=banned,
                anonymous=anonymous,
                created_since=created_since,
                order=order,
                limit=limit,
                cursor=cursor,
                timeout=timeout,
            )
        )

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
    ) -> AsyncGenerator[ManagedUser, None]:
        """Yield all users for whom the conditions hold, page by page. `timeout`: for each page.

        ```python
        async for user in client.users.all(banned=True):
            print(user["id"])
        ```
        """
        return self._driver.items(
            self._calls.all(
                q=q,
                provider=provider,
                role=role,
                banned=banned,
                anonymous=anonymous,
                created_since=created_since,
                order=order,
                timeout=timeout,
            )
        )

    async def create(self, *, timeout: float | None = None, **user: Unpack[NewUser]) -> ManagedUser:
        """Create a user with an address, a phone number or both. Raises: Conflict, if one of them is taken.

        ```python
        user = await client.users.create(email="eve@example.com", role="editor", claims={"team": "one"})
        ```
        """
        return await self._driver.run(self._calls.create(timeout=timeout, **user))

    async def update(self, user: str, *, timeout: float | None = None, **changes: Unpack[UserChanges]) -> ManagedUser:
        """Change the named fields and keep all others.

        If the change affects the content of access tokens, the old tokens end within a second.

        `banned=True` bans the user, and `banned_until` is the end of the ban.

        ```python
        await client.users.update("usr_1", role="editor", banned=False)
        ```
        """
        return await self._driver.run(self._calls.update(user, timeout=timeout, **changes))

    async def delete(self, user: str, *, timeout: float | None = None) -> None:
        """Delete a user. Raises: NotFound.

        ```python
        await client.users.delete("usr_1")
        ```
        """
        await self._driver.run(self._calls.delete(user, timeout=timeout))

    async def sign_out(self, user: str, *, timeout: float | None = None) -> None:
        """End all sessions of a user. Idempotent.

        ```python
        await client.users.sign_out("usr_1")
        ```
        """
        await self._driver.run(self._calls.sign_out(user, timeout=timeout))

    def sessions(self, user: str, *, timeout: float | None = None) -> AsyncGenerator[UserSession, None]:
        """Yield the valid sessions of a user.

        ```python
        async for session in client.users.sessions("usr_1"):
            print(session["ip"], session["last_used_at"])
        ```
        """
        return self._driver.items(self._calls.sessions(user, timeout=timeout))

    def activity(self, user: str, *, timeout: float | None = None) -> AsyncGenerator[ManagedActivityEntry, None]:
        """Yield sign-ins, refused sign-ins and changes of the sign-in methods, the newest first.

        ```python
        async for entry in client.users.activity("usr_1"):
            print(entry["at"], entry["action"], entry["outcome"])
        ```
        """
        return self._driver.items(self._calls.activity(user, timeout=timeout))

    async def impersonate(self, user: str, *, reason: str = "", timeout: float | None = None) -> Impersonated:
        """Return a token with which you use the app in the user's place. BunBase logs the reason in the audit log.

        ```python
        session = await client.users.impersonate("usr_1", reason="ticket 4711")
        ```
        """
        return await self._driver.run(self._calls.impersonate(user, reason=reason, timeout=timeout))

    async def create_link(
        self, user: str, kind: LinkKind, *, redirect_to: str | None = None, timeout: float | None = None
    ) -> HandedLink:
        """Return the link of a mail, without sending the mail. `redirect_to`: one of the project's `redirect_urls`.

        ```python
        link = await client.users.create_link("usr_1", "password_reset")
        ```
        """
        return await self._driver.run(self._calls.create_link(user, kind, redirect_to=redirect_to, timeout=timeout))

    async def reset_factors(self, user: str, *, timeout: float | None = None) -> None:
        """Remove the second factors and passkeys of a user who has lost them.

        ```python
        await client.users.reset_factors("usr_1")
        ```
        """
        await self._driver.run(self._calls.reset_factors(user, timeout=timeout))

    async def change_many(
        self,
        action: BulkAction,
        *,
        ids: Sequence[str] | None = None,
        filter: BulkFilter | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> BulkResult:
        """Ban, unban, delete or sign out up to 1,000 users: the users in `ids`, or the next users that match `filter`.

        ```python
        result = await client.users.change_many("sign_out", filter={"role": "guest"})
        ```
        """
        return await self._driver.run(
            self._calls.change_many(action, ids=ids, filter=filter, limit=limit, cursor=cursor, timeout=timeout)
        )

    def export(
        self, *, hashes: bool = False, after: str | None = None, timeout: float | None = None
    ) -> AsyncGenerator[UserLine, None]:
        """Yield all users, in the order of their ids.

        If the connection breaks, the client continues after the last user.

        `hashes`: also export the hashes of passwords. `after`: continue after this id. `timeout`: the timeout for each
        part.

        ```python
        async for user in client.users.export():
            print(user["id"])
        ```
        """
        return self._driver.items(self._calls.export(hashes=hashes, after=after, timeout=timeout))

    async def import_(
        self,
        users: Iterable[Mapping[str, object]] | AsyncIterable[Mapping[str, object]],
        *,
        on_conflict: Literal["skip", "update", "error"] = "skip",
        dry_run: bool = False,
        from_line: int | None = None,
        timeout: float | None = None,
    ) -> ImportedUsers:
        """Import users with their ids and the hashes of their passwords. `errors` of the result has the refused lines.

        The client sends the users while it reads them. `from_line`: the number of the first user, if you send only the
        rest after a broken import.

        ```python
        result = await client.users.import_([{"id": "u1", "email": "eve@example.com"}], on_conflict="update")
        ```
        """
        return await self._driver.run(
            self._calls.import_(users, on_conflict=on_conflict, dry_run=dry_run, from_line=from_line, timeout=timeout)
        )
