"""The invitations of people who have no account in the project yet.

Written by `make gen` from core/invites.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bunbase_sdk.core import invites as core
from bunbase_sdk.models import OpenUserInvite, UserInvite
from bunbase_sdk.sync.driver import Driver


class Invites:
    """The invitations of people who have no account yet."""

    def __init__(self, calls: core.InvitesCalls, driver: Driver) -> None:
        self._calls = calls
        self._driver = driver

    def list(self, *, timeout: float | None = None) -> Iterator[OpenUserInvite]:
        """Yield the invitations that nobody has accepted yet.

        ```python
        for invite in client.users.invites.list():
            print(invite["email"])
        ```
        """
        return self._driver.items(self._calls.list(timeout=timeout))

    def create(
        self,
        email: str,
        *,
        role: str | None = None,
        data: Mapping[str, object] | None = None,
        language: str | None = None,
        redirect_to: str | None = None,
        inviter: str | None = None,
        target: str | None = None,
        timeout: float | None = None,
    ) -> UserInvite:
        """Invite a person by mail. The result has the link of the mail.

        `redirect_to`: the address of your app that the page of the link opens at the end. `inviter`: the name of the
        inviting person. `target`: the name of the thing to which the mail invites. The texts of the mail may contain
        these two names; each has at most 100 characters.

        ```python
        invite = client.users.invites.create("fred@example.com", role="editor")
        ```
        """
        return self._driver.run(
            self._calls.create(
                email,
                role=role,
                data=data,
                language=language,
                redirect_to=redirect_to,
                inviter=inviter,
                target=target,
                timeout=timeout,
            )
        )

    def withdraw(self, invite: str, *, timeout: float | None = None) -> None:
        """Withdraw an invitation, so that its link no longer works.

        ```python
        client.users.invites.withdraw("uin_1")
        ```
        """
        self._driver.run(self._calls.withdraw(invite, timeout=timeout))
