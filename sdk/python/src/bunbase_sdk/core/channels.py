"""Channels: their definitions, and messages to everybody who has joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

from bunbase_sdk.channel_values import HeardMessage, Members
from bunbase_sdk.core.flow import Flow, Items
from bunbase_sdk.core.held_channel import HeldChannel
from bunbase_sdk.core.json_values import written
from bunbase_sdk.core.live_stream import emitted
from bunbase_sdk.core.patience import passes
from bunbase_sdk.core.requests import KEY, new_key
from bunbase_sdk.core.transport import Transport, Wanted, path
from bunbase_sdk.models import ChannelMessage, ChannelSpec, PublishedMessage
from bunbase_sdk.problem import Problem

T = TypeVar("T")
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
        """Publish 1 to 100 messages, all or none. A retry after a lost answer publishes no message twice.

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
        held = HeldChannel(channel, since, presence)
        return self._following(held, held.heard, stop_after)

    def members(self, channel: str, *, presence: object = None, stop_after: float | None = None) -> Items[Members]:
        """Yield the members of a channel, now and after each change. `stop_after`: seconds, as in `listen`.

        ```python
        for members in client.channels.members("rooms/7"):
            print(members.count, [member.data for member in members.items])
        ```
        """
        held = HeldChannel(channel, None, presence)
        return self._following(held, held.seen, stop_after)

    def set_presence(self, channel: str, presence: object, *, timeout: float | None = None) -> Flow[None]:
        """Change the value that others see in the list of members. None leaves the list.

        The value applies to each `listen` and `members` loop of this client that has entered this channel, also after a
        lost connection. Call this in the loop, in another thread, or in another task. If the server refuses the value,
        the loop ends with the problem. Raises: Problem `not_joined`, if there is no such loop.

        ```python
        client.channels.set_presence("rooms/7", {"name": "worker", "busy": True})
        ```
        """
        # this is a copy, because other threads may change the set
        joined: set[HeldChannel] = self._transport.joined.copy()
        loops = [held for held in joined if held.channel == channel and held.enters]
        if not loops:
            raise Problem("not_joined", f"No loop of this client has entered {channel}: pass presence to listen first.")
        written(presence)  # check all values first, so that a value that cannot be sent changes nothing
        within = self._transport.deadline(timeout)
        for held in loops:
            if (told := held.present(presence)) is None:
                continue
            conn, body = told
            try:
                yield from self._transport.answered(Wanted("POST", f"/v1/live{path(conn)}", body), within)
            except Problem as problem:
                held.forget_sent()  # the next connection sends the value
                if problem.code != "live_connection_not_found" and not passes(problem):
                    raise

    def _following(
        self,
        held: HeldChannel,
        taken: Callable[[Mapping[str, Any]], Sequence[T] | None],
        stop_after: float | None,
    ) -> Items[T]:
        self._transport.joined.add(held)
        try:
            yield from emitted(self._transport, held.body, taken, stop_after)
        finally:
            self._transport.joined.discard(held)
