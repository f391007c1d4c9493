"""Settings of Buncast."""

from __future__ import annotations

from typing import Annotated

import msgspec


class BuncastSettings(msgspec.Struct, frozen=True):
    """Limits of channels, for each project.

    `channel_messages_per_second`: messages that may be published in one channel.
    `project_messages_per_second`: messages that may be published in all channels of a project together.
    `history_mib`: the size of all messages that the channels of a project keep; then the oldest ones are dropped.
    `max_subscriptions`: the connections that have joined a channel, counted once for each channel.
    `members_mib`: the size of the data of all members of a project's channels.
    """

    channel_messages_per_second: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 500
    project_messages_per_second: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 5_000
    history_mib: Annotated[int, msgspec.Meta(ge=1, le=65_536)] = 64
    max_subscriptions: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 100_000
    members_mib: Annotated[int, msgspec.Meta(ge=1, le=65_536)] = 32
