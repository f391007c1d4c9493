"""Settings of live connections."""

from __future__ import annotations

from typing import Annotated

import msgspec

from bunbase.pkg.logger import logger

log = logger("live")

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Bytes = Annotated[int, msgspec.Meta(ge=1024, le=1 << 34)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=600)]


class LiveSettings(msgspec.Struct, frozen=True):
    """Settings of live connections (`/v1/live`). All limits hold for each process that runs the gateway.

    `max_connections`: the limit of live connections in total. `gateway.max_connections` counts requests of long
    polling, but neither WebSockets nor streams of events. If the process may open only few files, the limit is lower:
    three quarters of those files, minus the connections of the gateway.
    `max_connections_per_project`: the limit of live connections of one project. If it is below `max_connections`, a
    project may also have no more connections than there are places left, so that other projects always find a place.
    `max_connections_per_user`: the limit of live connections of one end user.
    `max_connections_per_address`: the limit of live connections from one address (IPv6: one /64), and of connections
    that begin there within ten seconds. The limit does not apply to `gateway.trusted_proxies`.
    `max_unauthenticated`: the limit of live connections that have not sent their key yet. Above this limit, a new
    connection replaces such a connection, from the address with most of them.
    `auth_seconds`: the timeout for the first message, which contains the key.
    `max_watches`: the limit of watched queries of one connection.
    `max_channels`: the limit of channels that one connection has joined.
    `max_message_bytes`: the largest message that a client may send.
    `messages_per_second`: the number of messages that a connection may send per second on average.
    `message_burst`: the number of messages that a connection may send at once.
    `begins_per_second`: the number of connections that may begin per second on average. The server tells further
    clients to connect again later.
    `max_asking`: the limit of watches that wait at once for their first answer, for all projects together. An equal
    limit holds for the joins of channels. Above a limit, watches and joins wait, and the projects take turns. One
    project may use at most half of each limit.
    `ping_seconds`: the time between two signs of life from the server.
    `silent_seconds`: a connection is closed if the client has sent nothing for this long.
    `slow_seconds`: a connection is closed if the client has read nothing for this long.
    `late_seconds`: a connection with slow queries gets its results later than other connections. If BunBase cannot find
    its results for this long, its queries end with `too_many_live_queries`.
    `max_waiting_bytes`: the limit of bytes that wait for slow clients, in total. Above this limit, the server closes
    the connections with the largest buffers.
    """

    max_connections: Count = 10_000
    max_connections_per_project: Count = 2_000
    max_connections_per_user: Count = 50
    max_connections_per_address: Count = 200
    max_unauthenticated: Count = 1_000
    auth_seconds: Seconds = 5
    max_watches: Count = 100
    max_channels: Count = 100
    max_message_bytes: Bytes = 64 << 10
    messages_per_second: Count = 50
    message_burst: Count = 100
    begins_per_second: Count = 1000
    max_asking: Annotated[int, msgspec.Meta(ge=2, le=100_000)] = 256
    ping_seconds: Annotated[int, msgspec.Meta(ge=1, le=60)] = 20
    silent_seconds: Seconds = 45
    slow_seconds: Seconds = 30
    late_seconds: Seconds = 30
    max_waiting_bytes: Bytes = 256 << 20

    def fitting(self, room: int) -> LiveSettings:
        """Return these settings, lowered so that file descriptors for `room` connections suffice.

        In this case, one address may have a quarter of these connections, and half of them may be without a key.
        """
        if room >= self.max_connections:
            return self
        most = max(1, room)
        log.warning("the limit of open files is below live.max_connections", allowed=most, wanted=self.max_connections)
        return msgspec.structs.replace(
            self,
            max_connections=most,
            max_connections_per_address=min(self.max_connections_per_address, max(1, most // 4)),
            max_unauthenticated=min(self.max_unauthenticated, max(1, most // 2)),
        )
