"""The state of a channel in the client: the number of the last message, and the members (docs/live-protocol.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from bunbase_sdk.channel_values import HeardMessage, Member, Members
from bunbase_sdk.core.live_stream import Reconnect, ended

JOIN: Final = 1  # the id of the join; a connection has only one channel
PRESENCE: Final = 2  # the id of each change of the presence
Since: TypeAlias = Mapping[str, object] | str | None


class HeldChannel:
    """`since`: the position at which the client begins. `members`: by name; None if there are more than 500.

    `lost`: true if messages were lost, so that the next message gets `lost`. `enters`: true if the client is or was a
    member. `conn`: the name of the last connection. `open`: true if this connection is still open. `sent`: the presence
    that was sent last.
    """

    def __init__(self, channel: str, since: Since, presence: object) -> None:
        self.channel = channel
        self.since = since
        self.presence = self.sent = presence
        self.enters = presence is not None
        self.conn: str | None = None
        self.open = False
        self.handle = ""
        self.epoch = ""
        self.offset = -1
        self.lost = False
        self.members: dict[str, Member] | None = {}
        self.count = 0
        self.told: Members | None = None

    def body(self) -> Mapping[str, object]:
        """Return the body of a request that joins the channel, and continues after the last message."""
        join: dict[str, object] = {"t": "join", "id": JOIN, "channel": self.channel}
        since: Since = {"epoch": self.epoch, "offset": self.offset} if self.epoch else self.since
        join |= {} if since is None else {"since": since}
        self.open, self.sent = False, self.presence
        join |= {} if self.presence is None else {"presence": self.presence}
        return {"send": [join], **({"resume": self.conn} if self.conn else {})}

    def present(self, presence: object) -> tuple[str, Mapping[str, object]] | None:
        """Change the presence. Return the name of the connection, and the body of a request that sends the presence.

        Return None if no connection is open: the next connection sends the new presence when it begins.
        """
        self.presence = presence
        if not self.open or self.conn is None:
            return None
        self.sent = presence
        data = {} if presence is None else {"data": presence}
        return self.conn, {"send": [{"t": "presence", "id": PRESENCE, "channel": self.channel, **data}]}

    def forget_sent(self) -> None:
        """Note that the server did not accept the presence, so the next message begins a new connection."""
        self.open = False

    def heard(self, message: Mapping[str, Any]) -> Sequence[HeardMessage] | None:
        """Process a message of the server. Return the messages of the channel in it. Raises: Problem, Reconnect."""
        match message["t"]:
            case "joined":
                return self._joined(message)
            case "msg" if message["c"] == self.handle and message["offset"] > self.offset:
                if message["offset"] > self.offset + 1:
                    # a message is missing: connect again, because the channel may still keep the message
                    raise Reconnect(0)
                self.offset = message["offset"]
                return [self._heard(message)]
            case _:
                self._common(message)
                return None

    def seen(self, message: Mapping[str, Any]) -> Sequence[Members] | None:
        """Process one message. Return the members if they have changed. Raises: Problem, Reconnect."""
        match message["t"]:
            case "joined":
                self._joined(message)
            case "members" if message["c"] == self.handle:
                self._changed(message)
            case _:
                self._common(message)
                return None
        now = Members([*(self.members or {}).values()], self.count)
        before, self.told = self.told, now
        return [] if now == before else [now]

    def _common(self, message: Mapping[str, Any]) -> None:
        match message["t"]:
            case "hello":
                self.conn, self.open = message["conn"], True
            case "ping" if not self.open:
                raise Reconnect(0)
            case "end" | "error":
                raise ended(message)
            case _:
                pass

    def _joined(self, message: Mapping[str, Any]) -> list[HeardMessage]:
        if self.presence != self.sent:
            raise Reconnect(0)  # the presence changed while the join was on its way
        same = self.epoch == message["epoch"]
        known = self.offset if same else -1
        news = [one for one in message.get("messages", ()) if one["offset"] > known]
        self.lost = self.lost or bool(message.get("lost"))
        self.handle, self.epoch, self.offset = message["c"], message["epoch"], message["offset"]
        self.members = {one["m"]: _member(one) for one in message.get("members", ())}
        self.count = message.get("n", len(self.members))
        return [self._heard(one) for one in news]

    def _heard(self, message: Mapping[str, Any]) -> HeardMessage:
        lost, self.lost = self.lost, False
        return HeardMessage(message["offset"], message["from"], message["at"], message["data"], lost)

    def _changed(self, message: Mapping[str, Any]) -> None:
        whole = message.get("members")
        if whole is not None:
            self.members = {}
        elif self.members is None or not {"enter", "update", "leave"} & message.keys():
            self.members = None  # the server sends no list, because there are too many members
        if self.members is not None:
            for one in (*(whole or ()), *message.get("enter", ()), *message.get("update", ())):
                self.members[one["m"]] = _member(one)
            for name in message.get("leave", ()):
                self.members.pop(name, None)
        self.count = message.get("n", len(self.members or ()))


def _member(member: Mapping[str, Any]) -> Member:
    return Member(member["m"], member["uid"], member["data"])
