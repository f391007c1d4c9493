"""Channels: their definitions, and messages to everybody who has joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from bunbase_sdk.core.flow import Flow
from bunbase_sdk.core.requests import KEY, new_key
from bunbase_sdk.core.transport import Transport, Wanted
from bunbase_sdk.models import ChannelMessage, ChannelSpec, PublishedMessage

CHANNELS: Final = "/v1/channels"


class ChannelsCalls:
    """The channels of the project: their definitions, and messages."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, *, timeout: float | None = None) -> Flow[dict[str, ChannelSpec]]:
        """Return the definitions of all channels, by pattern.

        ```python
        rooms = client.channels.get().get("rooms/{room}")
        ```
        """
        wanted = Wanted("GET", CHANNELS, repeatable=True)
        answer = yield from self._transport.json(wanted, self._transport.deadline(timeout))
        return cast("dict[str, ChannelSpec]", answer["channels"])

    def put(self, channels: Mapping[str, ChannelSpec], *, timeout: float | None = None) -> Flow[dict[str, ChannelSpec]]:
        """Replace the definitions of all channels. Connections that the new rules deny leave their channels at once.

        ```python
        client.channels.put({"rooms/{room}": {"rules": {"subscribe": "auth != null"}, "presence": True}})
        ```
        """
        wanted = Wanted("PUT", CHANNELS, {"channels": channels}, repeatable=True)
        answer = yield from self._transport.json(wanted, self._transport.deadline(timeout))
        return cast("dict[str, ChannelSpec]", answer["channels"])

    def publish(
        self,
        messages: Sequence[ChannelMessage],
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Flow[list[PublishedMessage]]:
        """Publish 1 to 100 messages, all or none. A retry after a lost answer publishes nothing again.

        ```python
        client.channels.publish([{"channel": "rooms/7", "data": {"text": "hello"}}])
        ```
        """
        headers = {KEY: idempotency_key or new_key()}
        wanted = Wanted("POST", f"{CHANNELS}/publish", {"messages": messages}, headers=headers, repeatable=True)
        answer = yield from self._transport.json(wanted, self._transport.deadline(timeout))
        return cast("list[PublishedMessage]", answer["items"])
