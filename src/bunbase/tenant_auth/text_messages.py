"""The text messages of a project, and the interface through which they are sent."""

from __future__ import annotations

from typing import Protocol

import msgspec


class TextMessage(msgspec.Struct, frozen=True):
    """A message with a code. `phone`: the number in E.164, such as +4917612345678.

    `kind`: the purpose of the code, such as `sign_in`.

    `language`: the tag of the language that the user reads, such as `en` or `pt-BR`. `app_name`: the name of the app.
    """

    phone: str
    code: str
    kind: str
    language: str
    app_name: str


class SmsSender(Protocol):
    """Sends text messages.

    BunBase has no access to the phone network, so the hook `send_sms` of the project sends them.
    """

    async def send_sms(self, project: str, message: TextMessage) -> None:
        """Send the message.

        Do not call this inside a transaction, because it may take as long as the deadline of the hook.

        Raises: HookFailed (the function failed, or the project has no hook `send_sms`).
        """
        ...
