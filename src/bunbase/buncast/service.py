"""Channels of all projects. Implements contracts.buncast.Buncast; its docstrings describe the methods."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Final

from bunbase.buncast.channel import Channel
from bunbase.buncast.deciding import Deciding, Verdict
from bunbase.buncast.definitions import Definitions
from bunbase.buncast.edge import EdgeStream, Subscription
from bunbase.buncast.patterns import BadName, check_name
from bunbase.buncast.permissions import denied, limited_name
from bunbase.buncast.presence import Member
from bunbase.buncast.project import Project
from bunbase.buncast.publishing import Publishing, checked_json, checked_messages
from bunbase.buncast.settings import BuncastSettings
from bunbase.buncast.store import ChannelStore
from bunbase.buncast.turns import Turns
from bunbase.buncast.usage import ChannelUsage
from bunbase.contracts.buncast import (
    LEASE_SECONDS,
    MAX_PRESENCE_BYTES,
    ChannelEvent,
    ChannelProjectDeleted,
    Channels,
    ChannelStreamBehind,
    Join,
    NewMessage,
    NoChannelStream,
    NoPresence,
    NotJoined,
    Position,
    Publication,
)
from bunbase.contracts.bundoc.problems import RuleDenied
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.live_usage import LiveUsageHour
from bunbase.pkg import metrics
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.usage.batches import Batch, Receipt

SIGN_SECONDS: Final = 2.0  # A stream without events gets a heartbeat at this interval.
GRACE_SECONDS: Final = 2.0  # A lost connection may be resumed within this time.
TICK_SECONDS: Final = 0.05
STALL_SECONDS: Final = 2.0


class BuncastService:
    """Implements Buncast. `monotonic`: a clock that returns seconds, for limits, presence and leases."""

    monotonic: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(
        self, store: ChannelStore, bundoc: Bundoc, clock: Clock, settings: BuncastSettings, dev: bool = False
    ) -> None:
        self.store = store
        self.bundoc = bundoc
        self.clock = clock
        self.settings = settings
        self.dev = dev
        self.usage = ChannelUsage(store, clock)
        self.turns = Turns()
        self.tasks: set[asyncio.Task[None]] = set()
        self.edges: dict[str, EdgeStream] = {}
        self.projects: dict[str, Deciding] = {}
        self.leases_seen_at = self.monotonic()
        self.on_busy: Callable[[], None] = _nobody_waits

    async def channels(self, caller: Caller) -> Channels:
        caller.check(Act.CHANNEL_READ)
        return Channels(await self.store.definitions(caller.project))

    async def put_channels(self, caller: Caller, channels: Channels) -> Channels:
        caller.check(Act.CHANNEL_UPDATE)
        definitions = await asyncio.to_thread(Definitions, channels.channels)  # Compiling takes 10 µs per character.
        deciding = await self._project(caller.project)
        project = deciding.project
        async with project.changing:
            project.check()
            await self.store.put_definitions(project.id, channels.channels)
            project.definitions = definitions
            deciding.again(project.subscriptions)
            await project.redefine(self.turns, self.monotonic())
        await deciding.settled()
        return channels

    async def publish(self, caller: Caller, messages: tuple[NewMessage, ...], idempotency_key: str = "") -> Publication:
        publishing = Publishing(caller, await checked_messages(messages, self.turns), idempotency_key)
        deciding = await self._project(caller.project)
        if (found := publishing.earlier(deciding.project, self.monotonic())) is not None:
            return Publication(found, replayed=True)
        await publishing.check_rules(deciding)
        deciding.project.check()
        if (found := publishing.earlier(deciding.project, self.monotonic())) is not None:
            return Publication(found, replayed=True)
        places = publishing.done(deciding.project, self.clock, self.monotonic())
        self.usage.count_published(caller.project, publishing.new)
        return Publication(places)

    async def deliver(self, edge: str) -> AsyncIterator[tuple[ChannelEvent, ...]]:
        stream = EdgeStream(edge, self.monotonic())
        if (older := self.edges.get(edge)) is not None:
            self._forget(older)
        self.edges[edge] = stream
        try:
            yield ()
            while (events := await stream.next(SIGN_SECONDS)) is not None:
                yield events
            if stream.behind:
                raise ChannelStreamBehind("Open the stream again, and join again.")
        finally:
            self._forget(stream)

    async def beat(self, edge: str) -> None:
        self._stream(edge).seen_at = self.monotonic()

    async def join(self, caller: Caller, edge: str, number: int, join: Join) -> None:
        stream = self._stream(edge)
        if number in stream.subscriptions:
            raise InvalidInput.at("number", f"The edge has a subscription with the number {number} already.")
        _check_channel(join.channel)
        presence = _checked_presence(join.presence)
        one = Subscription(stream, number, caller, join.channel, join.connection)
        stream.subscriptions[number] = one
        deciding = await self._project_of(one)
        try:
            verdict = await deciding.verdict(caller, join.channel, presence, one)
            self._enter(deciding.project, one, join, presence, verdict)
        except BaseException as failure:
            deciding.forget(one)
            if stream.subscriptions.get(number) is one:
                del stream.subscriptions[number]
            if isinstance(failure, RuleDenied):
                raise await deciding.explained(caller, failure, presence) from None
            raise

    async def replay(self, edge: str, number: int, since: Position) -> None:
        one, _, channel = self._joined(edge, number)
        channel.replay(one, since, self.monotonic())

    async def leave(self, edge: str, numbers: tuple[int, ...], closed: bool = False) -> None:
        stream = self.edges.get(edge)
        for number in numbers if stream is not None else ():
            assert stream is not None
            if (one := stream.subscriptions.pop(number, None)) is not None:
                self._left(one, self.monotonic() + GRACE_SECONDS if closed else None)

    async def set_presence(self, caller: Caller, edge: str, number: int, data: bytes | None) -> None:
        data = _checked_presence(data)
        one, deciding, channel = self._joined(edge, number)
        if data is None:
            if (member := one.own_member) is not None:
                channel.presence.leave(member)
            deciding.project.note(channel, self.monotonic())
            return
        if not channel.kind.presence:
            raise NoPresence(f"The channels of this pattern have no list of members: {channel.name}.")
        if not await deciding.may_enter(caller, one, data):
            raise await deciding.explained(caller, denied("presence", channel.name), data)
        one, deciding, channel = self._joined(edge, number)
        member = _member_of(one, caller, channel)
        present = member or channel.presence.resumed(_uid(caller), one.connection, "")
        deciding.project.check_members_room(limited_name(caller), data, present)
        if member is not None:
            channel.presence.update(member, data)
        else:
            one.member = channel.presence.enter(one, _uid(caller), one.connection, "", data, limited_name(caller))
        deciding.project.note(channel, self.monotonic())

    async def recheck(self, caller: Caller, edge: str, numbers: tuple[int, ...]) -> tuple[int, ...]:
        return tuple([number for number in numbers if await self._rechecked(caller, edge, number)])

    async def drop_project(self, project: str) -> None:
        deciding = self.projects.pop(project, None)
        if deciding is not None:
            deciding.project.gone = True
            gone = ChannelProjectDeleted("The project has been deleted.")
            await deciding.project.end_all(gone, self.turns, self.monotonic())
            await deciding.close()
        await self.store.drop_project(project)

    async def add_live_usage(self, batch: Batch[None], sent: datetime) -> Receipt:
        return await self.store.add_usage(batch, sent)

    async def live_usage(self, project: str, since: datetime, limit: int) -> tuple[LiveUsageHour, ...]:
        return await self.usage.hours(project, since, limit)

    async def tell_members(self) -> None:
        """Send the changes of members until none are left."""
        while any(deciding.project.busy for deciding in self.projects.values()):
            now = self.monotonic()
            for deciding in list(self.projects.values()):
                deciding.project.tick(now)
            await asyncio.sleep(TICK_SECONDS)

    async def end_leases(self) -> None:
        """End the streams of edges that no longer renew their lease."""
        now, before = self.monotonic(), self.leases_seen_at
        self.leases_seen_at = now
        if now - before > STALL_SECONDS:
            return  # This process was suspended, so it could not receive heartbeats.
        for stream in list(self.edges.values()):
            silent = now - stream.seen_at > LEASE_SECONDS
            if silent and not stream.closed:
                metrics.buncast_streams_ended.labels("lease").inc()
            if silent or stream.closed:
                self._forget(stream)

    async def trim(self) -> None:
        """Drop old messages and keys, and projects that have no state any more."""
        now = self.monotonic()
        for id, deciding in list(self.projects.items()):
            await deciding.project.trim(self.turns, now)
            if deciding.project.idle(now) and self.projects.get(id) is deciding:
                del self.projects[id]
                await deciding.close()
        metrics.buncast_members.set(sum([one.project.members_size.count for one in self.projects.values()]))

    async def decide_timed(self) -> None:
        """Decide again all subscriptions whose rules have read the time."""
        for deciding in list(self.projects.values()):
            deciding.again([one for one in deciding.project.subscriptions if one.timed])

    async def decide_dependent(self) -> None:
        """Decide subscriptions again whose rules have read documents, because the change log lacks some changes."""
        for deciding in list(self.projects.values()):
            deciding.again(deciding.documents.dependent)

    async def close(self) -> None:
        for stream in list(self.edges.values()):
            stream.close()
        for deciding in list(self.projects.values()):
            await deciding.close()
        self.projects.clear()
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.usage.writer.close()

    async def _project(self, id: str) -> Deciding:
        """Return the state of a project. Raises: Unreachable."""
        found = self.projects.get(id)
        if found is None:
            definitions = await asyncio.to_thread(Definitions, await self.store.definitions(id))
            project = Project(id, definitions, self.settings, self.monotonic, self._note_busy)
            found = self.projects.setdefault(id, Deciding(project, self.bundoc, self.clock, self.turns, self.dev))
        found.project.used_at = self.monotonic()
        return found

    def _note_busy(self) -> None:
        self.on_busy()

    async def _project_of(self, one: Subscription) -> Deciding:
        try:
            return await self._project(one.caller.project)
        except BaseException:
            one.edge.subscriptions.pop(one.number, None)
            raise

    def _enter(self, project: Project, one: Subscription, join: Join, presence: bytes | None, verdict: Verdict) -> None:
        """Begin a subscription that the rules allow. Nothing here waits."""
        if one.edge.closed:
            raise NoChannelStream(f"The stream of the edge {one.edge.name} has ended.")
        if one.edge.subscriptions.get(one.number) is not one:
            raise NotJoined("The subscription has ended before it began.")
        project.check()
        if not verdict.subscribes:
            raise denied("subscribe", join.channel)
        project.check_room()
        if presence is not None:
            if not project.definitions.of(join.channel)[0].presence:
                raise NoPresence(f"The channels of this pattern have no list of members: {join.channel}.")
            if not verdict.enters:
                raise denied("presence", join.channel)
            earlier = project.channels.get(join.channel)
            uid = _uid(one.caller)
            present = earlier.presence.resumed(uid, one.connection, join.resumes) if earlier is not None else None
            project.check_members_room(limited_name(one.caller), presence, present)
        now = self.monotonic()
        channel = project.opened(join.channel)
        one.sees = verdict.sees
        if presence is not None:
            one.member = channel.presence.enter(
                one, _uid(one.caller), one.connection, join.resumes, presence, limited_name(one.caller)
            )
        project.subscriptions.add(one)
        channel.enter(one, join.since, now)
        project.note(channel, now)

    async def _rechecked(self, caller: Caller, edge: str, number: int) -> bool:
        """Decide one subscription for its new caller. Return True if it has ended."""
        try:
            one, deciding, channel = self._joined(edge, number)
        except (NotJoined, NoChannelStream):
            return False
        if one.caller.project != caller.project:
            return False
        one.caller = caller
        one.checks += 1
        member = _member_of(one, caller, channel)
        deciding.project.note(channel, self.monotonic())
        try:
            verdict = await deciding.verdict(caller, one.channel, None if member is None else member.data, one)
            if one not in deciding.project.subscriptions:
                deciding.forget(one)
                return False
            if not verdict.subscribes:
                raise denied("subscribe", one.channel)
            if (one.sees and not verdict.sees) or (one.own_member and not verdict.enters):
                raise denied("presence", one.channel)
        except Problem as problem:
            deciding.forget(one)
            deciding.project.end(one, problem, self.monotonic())
            return True
        return False

    def _stream(self, edge: str) -> EdgeStream:
        """Return the stream of an edge. Raises: NoChannelStream."""
        stream = self.edges.get(edge)
        if stream is None or stream.closed:
            raise NoChannelStream(f"The edge {edge} has no open stream.")
        return stream

    def _joined(self, edge: str, number: int) -> tuple[Subscription, Deciding, Channel]:
        """Return a stream and a subscription of it. Raises: NoChannelStream, NotJoined."""
        one = self._stream(edge).subscriptions.get(number)
        deciding = self.projects.get(one.caller.project) if one is not None else None
        channel = deciding.project.channels.get(one.channel) if one is not None and deciding is not None else None
        if one is None or deciding is None or channel is None or one not in channel.subscriptions:
            raise NotJoined("Join the channel first.")
        return one, deciding, channel

    def _left(self, one: Subscription, linger_until: float | None) -> None:
        if (deciding := self.projects.get(one.caller.project)) is not None:
            deciding.forget(one)
            deciding.project.leave(one, linger_until, self.monotonic())

    def _forget(self, stream: EdgeStream) -> None:
        """Forget a stream that has ended. The members of the stream stay until the edge has had time to join again.

        Idempotent.
        """
        stream.close()
        if self.edges.get(stream.name) is stream:
            del self.edges[stream.name]
        subscriptions = list(stream.subscriptions.values())
        stream.subscriptions.clear()
        for one in subscriptions:  # This happens at once, because the edge may join again and needs the space.
            if (deciding := self.projects.get(one.caller.project)) is not None:
                deciding.project.subscriptions.discard(one)
        if subscriptions:
            task = asyncio.get_running_loop().create_task(self._let_leave(subscriptions))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _let_leave(self, subscriptions: list[Subscription]) -> None:
        until = self.monotonic() + LEASE_SECONDS
        for one in subscriptions:
            await self.turns.free()
            with self.turns:
                self._left(one, until)


def _nobody_waits() -> None:
    """Do nothing. This is the default of `on_busy`."""


def _member_of(one: Subscription, caller: Caller, channel: Channel) -> Member | None:
    """Return the member of a subscription if it belongs to this caller's user. Otherwise let the member leave."""
    member = one.own_member
    if member is not None and member.uid != _uid(caller):
        channel.presence.leave(member)
        return None
    return member


def _uid(caller: Caller) -> str | None:
    return caller.user.uid if caller.user is not None else None


def _check_channel(name: str) -> None:
    try:
        check_name(name)
    except BadName as trouble:
        raise InvalidInput.at("/channel", str(trouble)) from None


def _checked_presence(data: bytes | None) -> bytes | None:
    return None if data is None else checked_json(data, MAX_PRESENCE_BYTES, "/presence")
