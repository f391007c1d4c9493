"""Settings of Buncast."""

from __future__ import annotations

from typing import Annotated

import msgspec


class BuncastSettings(msgspec.Struct, frozen=True):
    """Limits of channels, for each project.

    `channel_messages_per_second`: the limit of messages that may be published in one channel.
    `project_messages_per_second`: the limit of messages that may be published in all channels of a project together.
    `caller_messages_per_second`: the limit of messages that one caller bound by rules may publish. A caller is one
    user, or one IP address (IPv6: one /64) of visitors who are not signed in.
    `project_message_keys`: the limit of keys of messages and calls that a project may use in two minutes.
    `caller_message_keys`: the limit of keys that one caller bound by rules may use in two minutes.
    `history_mib`: the limit of memory for the histories of a project's channels, and for the channels that have a
    history. Above this limit, the oldest messages are dropped.
    `max_subscriptions`: the limit of subscriptions of a project. A connection counts once for each channel that it has
    joined.
    `members_mib`: the limit for the data of all members of a project's channels.
    `caller_members_mib`: the limit for the data of all members of one caller bound by rules.
    """

    channel_messages_per_second: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 500
    project_messages_per_second: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 5_000
    caller_messages_per_second: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 250
    project_message_keys: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 100_000
    caller_message_keys: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 10_000
    history_mib: Annotated[int, msgspec.Meta(ge=1, le=65_536)] = 64
    max_subscriptions: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 100_000
    members_mib: Annotated[int, msgspec.Meta(ge=1, le=65_536)] = 32
    caller_members_mib: Annotated[int, msgspec.Meta(ge=1, le=65_536)] = 4
