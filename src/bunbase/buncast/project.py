"""The state of one project: its channels, its definitions, and the limits that all its channels share."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable
from typing import Final

from bunbase.buncast.buckets import Bucket
from bunbase.buncast.channel import Channel
from bunbase.buncast.definitions import Definitions
from bunbase.buncast.edge import Subscription
from bunbase.buncast.presence import MEMBER_BYTES, Member, MembersSize, Presence
from bunbase.buncast.ring import Ring, Shelf
from bunbase.buncast.sent_keys import SentKeys
from bunbase.buncast.settings import BuncastSettings
from bunbase.buncast.turns import Turns
from bunbase.contracts.buncast import ChannelProjectDeleted, TooManyMembers, TooManySubscriptions
from bunbase.pkg.errors import Problem

EPOCH_BYTES: Final = 6
IDLE_SECONDS: Final = 60.0  # A project without any state is forgotten after this time.

handles = itertools.count(1)


class Project:
    """`callers`: the message limit of each caller that has its own limit. `busy`: the channels with changes of members
    to send. `gone`: true if the project is deleted. `changing`: a lock that is held while the definitions are replaced.
    """

    def __init__(
        self,
        id: str,
        definitions: Definitions,
        settings: BuncastSettings,
        monotonic: Callable[[], float],
        on_busy: Callable[[], None],
    ) -> None:
        now = monotonic()
        self.monotonic = monotonic
        self.id = id
        self.definitions = definitions
        self.settings = settings
        self.channels: dict[str, Channel] = {}
        self.busy: set[Channel] = set()
        self.on_busy = on_busy
        self.shelf = Shelf(settings.history_mib << 20, self._forget_name)
        self.members_size = MembersSize()
        self.keys = SentKeys(settings.project_message_keys, settings.caller_message_keys)
        self.callers: dict[str, Bucket] = {}
        self.bucket = Bucket(settings.project_messages_per_second, now)
        self.subscriptions: set[Subscription] = set()
        self.changing = asyncio.Lock()
        self.used_at = now
        self.gone = False

    def check(self) -> None:
        """Check that the project is not deleted. Raises: ChannelProjectDeleted."""
        if self.gone:
            raise ChannelProjectDeleted("The project has been deleted.")

    def check_room(self) -> None:
        """Check that the project may have more subscriptions. Raises: TooManySubscriptions."""
        if len(self.subscriptions) >= self.settings.max_subscriptions:
            raise TooManySubscriptions(
                f"A project can have {self.settings.max_subscriptions} subscriptions of channels at once.",
                limit=self.settings.max_subscriptions,
            )

    def bucket_of(self, caller: str, now: float) -> Bucket:
        """Return the bucket of a caller's messages."""
        if (bucket := self.callers.get(caller)) is None:
            bucket = self.callers[caller] = Bucket(self.settings.caller_messages_per_second, now)
        return bucket

    def check_members_room(self, caller: str, data: bytes, present: Member | None) -> None:
        """Check that the limits have space for the data of a member. `caller`: the name under which its memory is
        counted. `present`: the existing member, or None for a new member. A member that does not grow needs no space.

        Raises: TooManyMembers.
        """
        most = self.settings.caller_members_mib
        caller = caller if present is None else present.caller
        more = len(data) + MEMBER_BYTES - (0 if present is None else present.size)
        if more <= 0:
            return
        if caller and self.members_size.by_caller[caller] + more > most << 20:
            raise TooManyMembers(
                f"The data of the members of one user or address can have {most} MiB together.", limit=most << 20
            )
        if self.members_size.bytes + more > self.settings.members_mib << 20:
            raise TooManyMembers(
                f"The data of a project's members can have {self.settings.members_mib} MiB together.",
                limit=self.settings.members_mib << 20,
            )

    def opened(self, name: str) -> Channel:
        """Return a channel. Create it if it has no state yet."""
        channel = self.channels.get(name)
        if channel is None:
            ring = Ring(name, secrets.token_hex(EPOCH_BYTES), self.shelf)
            presence = Presence(self.members_size)
            channel = Channel(name, f"c{next(handles)}", self.definitions.of(name), ring, presence)
            self.channels[name] = channel
        return channel

    def forget_if_empty(self, channel: Channel) -> None:
        if channel.empty and self.channels.get(channel.name) is channel:
            del self.channels[channel.name]
            self.busy.discard(channel)

    def _forget_name(self, name: str) -> None:
        if (channel := self.channels.get(name)) is not None:
            self.forget_if_empty(channel)

    def note(self, channel: Channel, now: float) -> None:
        """Send the changed members of a channel, now or as soon as the limit of frames allows."""
        channel.tick(now)
        if channel.presence.busy:
            self.busy.add(channel)
            self.on_busy()
        self.forget_if_empty(channel)

    def leave(self, one: Subscription, linger_until: float | None, now: float) -> None:
        """End a subscription. Idempotent."""
        self.subscriptions.discard(one)
        if (channel := self.channels.get(one.channel)) is not None:
            channel.leave(one, linger_until)
            self.note(channel, now)

    def end(self, one: Subscription, problem: Problem, now: float) -> None:
        """End a subscription because the server decides so, and tell the client the reason."""
        self.subscriptions.discard(one)
        if (channel := self.channels.get(one.channel)) is not None and one in channel.subscriptions:
            channel.end(one, problem)
            self.note(channel, now)

    def tick(self, now: float) -> None:
        """Send the changes of members for which it is time."""
        for channel in list(self.busy):
            channel.tick(now)
            if not channel.presence.busy:
                self.busy.discard(channel)
            self.forget_if_empty(channel)

    async def redefine(self, turns: Turns, now: float) -> None:
        """Apply the present definitions to all channels. Other tasks get a turn between two channels."""
        for channel in list(self.channels.values()):
            await turns.free()
            with turns:
                channel.redefine(*self.definitions.of(channel.name), now)
                self.forget_if_empty(channel)

    async def end_all(self, problem: Problem, turns: Turns, now: float) -> None:
        """End all subscriptions. Other tasks get a turn between two subscriptions."""
        for one in list(self.subscriptions):
            await turns.free()
            with turns:
                self.end(one, problem, now)

    async def trim(self, turns: Turns, now: float) -> None:
        """Drop everything that is too old. Other tasks get a turn between two channels."""
        self.keys.trim(now)
        for caller, bucket in list(self.callers.items()):
            if bucket.full(now):
                del self.callers[caller]
        for channel in list(self.channels.values()):
            await turns.free()
            with turns:
                channel.ring.trim(now, channel.kind.history)
                self.forget_if_empty(channel)

    def idle(self, now: float) -> bool:
        """True if the project can be forgotten."""
        used = self.channels or self.keys or self.callers or self.subscriptions or self.changing.locked()
        return not used and now - self.used_at > IDLE_SECONDS and self.bucket.full(now)
