"""Channels: their definitions, and messages to everybody who has joined.

Written by `make gen` from core/channels.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from bunbase_sdk.channel_values import HeardMessage, Members
from bunbase_sdk.core import channels as core
from bunbase_sdk.models import ChannelMessage, ChannelSpec, PublishedMessage
from bunbase_sdk.sync.driver import Driver

T = TypeVar("T")


class Channels:
    """The channels of the project: their definitions, and messages."""

    def __init__(self, calls: core.ChannelsCalls, driver: Driver) -> None:
        self._calls = calls
        self._driver = driver

    def get(self, *, timeout: float | None = None) -> dict[str, ChannelSpec]:
        """Return the definitions of all channels, by pattern.

        ```python
        rooms = client.channels.get().get("rooms/{room}")
        ```
        """
        return self._driver.run(self._calls.get(timeout=timeout))

    def put(self, channels: Mapping[str, ChannelSpec], *, timeout: float | None = None) -> dict[str, ChannelSpec]:
        """Replace the definitions of all channels. Connections that the new rules deny leave their channels at once.

        ```python
        client.channels.put({"rooms/{room}": {"rules": {"subscribe": "auth != null"}, "presence": True}})
        ```
        """
        return self._driver.run(self._calls.put(channels, timeout=timeout))

    def publish(
        self, messages: Sequence[ChannelMessage], *, idempotency_key: str | None = None, timeout: float | None = None
    ) -> list[PublishedMessage]:
        """Publish 1 to 100 messages, all or none. A retry after a lost answer publishes no message twice.

        ```python
        client.channels.publish([{"channel": "rooms/7", "data": {"text": "hello"}}])
        ```
        """
        return self._driver.run(self._calls.publish(messages, idempotency_key=idempotency_key, timeout=timeout))

    def listen(
        self,
        channel: str,
        *,
        since: Mapping[str, object] | str | None = None,
        presence: object = None,
        stop_after: float | None = None,
    ) -> Iterator[HeardMessage]:
        """Yield each message of a channel, once and in order. The loop continues after a lost connection.

        `lost` of a message is true if messages before it may be missing, for example after a restart of the server.
        `since`: by default, yield messages from now on; with "start", also all messages that the channel keeps.
        `presence`: while the loop runs, the list of members contains this value. `stop_after`: the loop ends after this
        many seconds, even if messages arrive.

        ```python
        for message in client.channels.listen("rooms/7", presence={"name": "worker"}):
            print(message.sender, message.data)
        ```
        """
        return self._driver.items(self._calls.listen(channel, since=since, presence=presence, stop_after=stop_after))

    def members(self, channel: str, *, presence: object = None, stop_after: float | None = None) -> Iterator[Members]:
        """Yield the members of a channel, now and after each change. `stop_after`: seconds, as in `listen`.

        ```python
        for members in client.channels.members("rooms/7"):
            print(members.count, [member.data for member in members.items])
        ```
        """
        return self._driver.items(self._calls.members(channel, presence=presence, stop_after=stop_after))

    def set_presence(self, channel: str, presence: object, *, timeout: float | None = None) -> None:
        """Change the value that others see in the list of members. None leaves the list.

        The value applies to each `listen` and `members` loop of this client that has entered this channel, also after a
        lost connection. Call this in the loop, in another thread, or in another task. If the server refuses the value,
        the loop ends with the problem. Raises: Problem `not_joined`, if there is no such loop.

        ```python
        client.channels.set_presence("rooms/7", {"name": "worker", "busy": True})
        ```
        """
        self._driver.run(self._calls.set_presence(channel, presence, timeout=timeout))
