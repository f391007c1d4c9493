"""The invitations of people who have no account in the project yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from bunbase_sdk.core.flow import Flow, Items
from bunbase_sdk.core.pages import all_listed
from bunbase_sdk.core.transport import Transport, Wanted, path, without_none
from bunbase_sdk.models import OpenUserInvite, UserInvite

INVITES: Final = "/v1/auth/invites"
PAGE: Final = 100


class InvitesCalls:
    """The invitations of people who have no account yet."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, timeout: float | None = None) -> Items[OpenUserInvite]:
        """Yield the invitations that nobody has accepted yet.

        ```python
        for invite in client.users.invites.list():
            print(invite["email"])
        ```
        """
        return all_listed(self._transport, INVITES, {"limit": PAGE}, timeout)

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
    ) -> Flow[UserInvite]:
        """Invite a person by mail. The result has the link of the mail.

        `redirect_to`: the address of your app that the page of the link opens at the end. `inviter`: the name of the
        inviting person. `target`: the name of the thing to which the mail invites. The texts of the mail may contain
        these two names; each has at most 100 characters.

        ```python
        invite = client.users.invites.create("fred@example.com", role="editor")
        ```
        """
        texts = without_none(redirect_to=redirect_to, inviter=inviter, target=target)
        body = {"email": email, **without_none(role=role, data=data, language=language), **texts}
        wanted = Wanted("POST", INVITES, body)
        return cast("UserInvite", (yield from self._transport.json(wanted, self._transport.deadline(timeout))))

    def withdraw(self, invite: str, *, timeout: float | None = None) -> Flow[None]:
        """Withdraw an invitation, so that its link no longer works.

        ```python
        client.users.invites.withdraw("uin_1")
        ```
        """
        yield from self._transport.json(Wanted("DELETE", INVITES + path(invite)), self._transport.deadline(timeout))
