"""Settings of Buncast."""

from __future__ import annotations

from typing import Annotated

import msgspec


class BuncastSettings(msgspec.Struct, frozen=True):
    """Limits of channels, for each project.

    `channel_messages_per_second`: messages that may be published in one channel.
    `project_messages_per_second`: messages that may be published in all channels of a project together.
    `caller_messages_per_second`: messages that one caller bound by rules may publish: one user, or one address (IPv6:
    one /64) of visitors who are not signed in.
    `project_message_keys`: keys of messages and calls that a project may use in two minutes.
    `caller_message_keys`: keys that one caller bound by rules may use in two minutes.
    `history_mib`: the memory of all messages that the channels of a project keep, and of these channels; then the
    oldest messages are dropped.
    `max_subscriptions`: the connections that have joined a channel, counted once for each channel.
    `members_mib`: the size of the data of all members of a project's channels.
    `caller_members_mib`: the size of the data of the members of one caller bound by rules.
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
