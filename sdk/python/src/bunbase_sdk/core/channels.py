"""Channels: their definitions, and messages to everybody who has joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, cast

from bunbase_sdk.channel_values import HeardMessage, Members
from bunbase_sdk.core.flow import Flow, Items
from bunbase_sdk.core.held_channel import HeldChannel
from bunbase_sdk.core.live_stream import emitted
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

    def listen(
        self,
        channel: str,
        *,
        since: Mapping[str, object] | str | None = None,
        presence: object = None,
        stop_after: float | None = None,
    ) -> Items[HeardMessage]:
        """Yield each message of a channel, once and in order, also over lost connections.

        `lost` of a message is true if messages before it may be missing, for example after a restart of the server.
        Without `since`, messages from now on; with "start", all that the channel keeps. `presence` enters the list of
        members, with this value, as long as the loop runs. `stop_after`: the loop ends this many seconds after its
        beginning, however many messages came.

        ```python
        for message in client.channels.listen("rooms/7", presence={"name": "worker"}):
            print(message.sender, message.data)
        ```
        """
        held = HeldChannel(channel, since, presence)
        return emitted(self._transport, held.body, held.heard, stop_after)

    def members(self, channel: str, *, presence: object = None, stop_after: float | None = None) -> Items[Members]:
        """Yield everybody who is in a channel, and again whenever this changes. `stop_after`: seconds, as in `listen`.

        ```python
        for members in client.channels.members("rooms/7"):
            print(members.count, [member.data for member in members.items])
        ```
        """
        held = HeldChannel(channel, None, presence)
        return emitted(self._transport, held.body, held.seen, stop_after)
