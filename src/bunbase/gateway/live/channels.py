"""All channels that the clients of this process have joined: from the sessions to Buncast, and from Buncast's one
stream of events to the sessions.

The life of a join:

1. `begin` asks Buncast under a new number. `Joined` comes in the stream, and the client gets `joined`.
2. A `Message` goes to each session of the channel as the same bytes, in the order of the stream.
3. If a message arrives while the session is blocked, the join is *behind*, and its client gets nothing more. When the
   session is no longer blocked, `replay` asks for the messages after the last message that was sent; the client gets a
   second `joined`.
4. If the stream breaks, Buncast has forgotten all numbers. Each join begins again at step 1, after the last message
   that was sent. The data of its member is sent again, so that members do not have to enter again.

A client that publishes with `"echo":false` gets `ok` in place of its own message, at the same position in the order. So
the client can count offsets without a gap.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Final

from bunbase.contracts.buncast import (
    BEAT_SECONDS,
    Buncast,
    ChannelEvent,
    Joined,
    MembersChanged,
    Message,
    NewMessage,
    NoChannelStream,
    NotJoined,
    Published,
    SubscriptionEnded,
)
from bunbase.gateway.live import messages
from bunbase.gateway.live.asking import Asking
from bunbase.gateway.live.blocked import Blocked
from bunbase.gateway.live.joins import ChannelJoin, PublishMessage
from bunbase.gateway.live.queries import Hall
from bunbase.gateway.live.returns import Returns
from bunbase.gateway.live.session import Session
from bunbase.gateway.live.streams import heard
from bunbase.pkg.errors import Problem, Unreachable
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger

log = logger("live")

# A stream that is silent for this long is broken, because it sends a heartbeat every 2 s.
SILENT_SECONDS: Final = 10.0
REOPEN_SECONDS: Final = 0.2
OPEN_SECONDS: Final = 10.0  # A first join waits at most this long for the stream.
AGAIN_SECONDS: Final = 1.0  # A join that failed for a temporary reason is tried again after this time.
SLICE: Final = 2000  # After this many deliveries, other work gets a turn.


class Silent:
    """A message that its publisher does not want to get. `place`: its place in the order; None until it is known."""

    __slots__ = ("id", "join", "place", "session")

    def __init__(self, session: Session, id: int, join: ChannelJoin) -> None:
        self.session = session
        self.id = id
        self.join = join
        self.place: Published | None = None


class LiveChannels:
    """`rooms`: the joins of each channel that are up to date, by the handle of the channel."""

    def __init__(self, hall: Hall, buncast: Buncast) -> None:
        self.hall = hall
        self.buncast = buncast
        self.edge = new_id("edge")
        self.counter = itertools.count(1)
        self.by_number: dict[int, ChannelJoin] = {}
        self.rooms: dict[str, dict[ChannelJoin, None]] = {}
        self.silent: dict[int, Silent] = {}
        self.open = asyncio.Event()
        self.streams = 0  # This many streams have broken.
        self.asking = Asking(hall.settings.max_asking)
        self.returns = Returns(self._bring_up, hall.spawn, hall.settings.max_asking)

    # Sessions call these methods.

    async def begin(self, join: ChannelJoin) -> None:
        """Join a channel, or join it once more. The client gets the answer later."""
        if join.asking or join.ended:
            return
        join.asking = True
        try:
            await self._ask(join)
        except NoChannelStream:
            self._try_later(join)
            return
        except Problem as problem:
            if problem.status >= 500 and join.shown:
                self._try_later(join)
            elif not join.ended:
                self._end(join, problem)
            return
        finally:
            join.asking = False
        if not join.number and not join.ended and not join.session.blocked and self.open.is_set():
            self.hall.spawn(self.begin(join))

    def forget(self, join: ChannelJoin, closed: bool = False) -> None:
        """End a join that its session has already removed. `closed`: true if its connection has ended."""
        join.ended = True
        number, settled = join.number, join.settled
        self._drop_number(join)
        self._answer_placed(join)
        if number and settled:
            self.hall.spawn(self._leave(number, closed))

    def end_all(self, session: Session, problem: Problem) -> None:
        """End all joins of a session, and tell the client why."""
        for join in list(session.joins.values()):
            self.forget(join)
            session.put(messages.refusal("end", join.id, problem))
        session.joins.clear()

    def leave(self, session: Session) -> None:
        """Forget a session whose connection has ended."""
        joins = list(session.joins.values())
        session.joins.clear()
        for join in joins:
            self.forget(join, closed=True)

    def catch_up(self, session: Session) -> None:
        """Bring all joins of a session up to date, because messages may be delivered again."""
        if self.open.is_set() and session.joins:
            self.returns.add(session)

    def step_out(self, session: Session) -> None:
        """Let the members of a session leave, because its sign-in has ended.

        After another sign-in, the session joins again.
        """
        for join in session.joins.values():
            self._begin_anew(join, closed=False)

    async def recheck(self, session: Session) -> None:
        """Decide again about all joins of a session, for its new caller. The session is blocked meanwhile."""
        by_number = {join.number: join for join in session.joins.values() if join.settled}
        if not by_number:
            return
        for join in by_number.values():
            join.checks += 1
        try:
            ended = await self.buncast.recheck(session.caller, self.edge, tuple(by_number))
        except Problem as problem:
            log.warning("channels could not be decided again", reason=problem.detail)
            for join in by_number.values():
                self._begin_anew(join)
            return
        for number in ended:
            self._be_behind(by_number[number])

    async def publish(self, session: Session, message: PublishMessage) -> None:
        """Publish a message, and answer. The caller keeps the order of a session's messages."""
        join = next((one for one in session.joins.values() if one.channel == message.channel), None)
        number = 0
        if not message.echo and join is not None and join.handle:
            number = next(self.counter)
            self.note_silent(number, Silent(session, message.id, join))
        new = NewMessage(message.channel, bytes(message.data), message.key, self.edge if number else "", number)
        try:
            place = (await self.buncast.publish(session.caller, (new,))).items[0]
        except Problem as problem:
            self._drop_silent(number)
            session.refuse(message.id, problem)
            return
        silent = self.silent.get(number)
        if not number:
            session.put(_published(message.id, place))
        elif silent is not None:
            silent.place = place
            if not silent.join.handle or place.offset <= silent.join.offset:
                self._answer(number)  # The message will not come, for example because it was a repetition.

    async def set_presence(self, session: Session, id: int, channel: str, data: bytes | None) -> None:
        join = next((one for one in session.joins.values() if one.channel == channel), None)
        try:
            if join is None or not join.settled:
                raise NotJoined("Join the channel first, and wait for the answer.")
            await self.buncast.set_presence(session.caller, self.edge, join.number, data)
        except Problem as problem:
            session.refuse(id, problem)
            return
        join.presence = data
        session.put(messages.ok(id))

    # The stream of Buncast.

    async def follow(self) -> None:
        """Follow the stream until cancelled. Open it again whenever it breaks."""
        while True:
            beat = asyncio.create_task(self._beat())
            try:
                async for events in heard(self.buncast.deliver(self.edge), "channels", SILENT_SECONDS):
                    if not self.open.is_set():
                        self._opened()
                    await self._take(events)
            except Problem as problem:
                log.warning("the stream of channels broke off", reason=problem.detail)
            except Exception:
                log.exception("the stream of channels failed")
            finally:
                beat.cancel()
            self._broke()
            await asyncio.sleep(REOPEN_SECONDS)

    async def _beat(self) -> None:
        """Tell Buncast that this process is alive. If a call fails, end the stream, so that `follow` opens it again."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self.buncast.beat(self.edge)
            except Problem as problem:
                log.debug("a sign of life failed", reason=problem.detail)

    def _opened(self) -> None:
        self.open.set()
        for session in list(self.hall.sessions):
            if session.joins and not session.blocked:
                self.catch_up(session)

    def _broke(self) -> None:
        self.open.clear()
        self.streams += 1
        for join in list(self.by_number.values()):
            self._be_behind(join)
            self._drop_number(join)

    async def _take(self, events: tuple[ChannelEvent, ...]) -> None:
        if not events:
            return
        self.hall.check_feed()
        work = 0
        for event in events:
            match event:
                case Message():
                    work += self._take_message(event)
                case MembersChanged():
                    work += self._take_members(event)
                case Joined():
                    self._take_answer(event)
                case SubscriptionEnded():
                    self._take_end(event)
            work += 1
            if work > SLICE:
                work = 0
                await asyncio.sleep(0)

    def _take_answer(self, event: Joined) -> None:
        join = self.by_number.get(event.number)
        if join is None:
            return
        session = join.session
        if not session.may_get(time.time()):
            if not join.shown:
                self._begin_anew(join)
            return
        if event.checks < join.checks:
            self._begin_anew(join)
            self.hall.spawn(self.begin(join))
            return
        self._leave_room(join)
        self.rooms.setdefault(event.channel, {})[join] = None
        join.handle, join.sees, join.shown = event.channel, event.sees, True
        join.epoch, join.offset = event.epoch, event.offset
        self._count(join, 1)
        session.put(b'{"t":"joined","id":%d,"c":"%b",%b}' % (join.id, event.channel.encode(), event.body))
        self._answer_placed(join)

    def _take_message(self, event: Message) -> int:
        room = self.rooms.get(event.channel)
        if room is None:
            return 0
        message = b'{"t":"msg","c":"%b",%b}' % (event.channel.encode(), event.body)
        silent, now, delivered = self.silent.get(event.source), time.time(), 0
        for join in (joins := list(room)):
            if not join.session.may_get(now):
                self._be_behind(join)
            elif silent is not None and silent.join is join:
                join.offset = event.offset
                silent.place = Published(join.channel, join.epoch, event.offset)
                self._answer(event.source)
            elif event.offset > join.offset:
                join.offset = event.offset
                join.session.put(message)
                delivered += 1
        self._count(joins[0], delivered)
        return len(joins)

    def _take_members(self, event: MembersChanged) -> int:
        room = self.rooms.get(event.channel)
        if room is None:
            return 0
        message, now = b'{"t":"members","c":"%b",%b}' % (event.channel.encode(), event.body), time.time()
        delivered, joins = 0, list(room)
        for join in joins:
            if not join.sees:
                continue
            if join.session.may_get(now):
                join.session.put(message)
                delivered += 1
            else:
                self._be_behind(join)
        self._count(joins[0], delivered)
        return len(joins)

    def _count(self, join: ChannelJoin, delivered: int) -> None:
        """Count deliveries to the joins of one channel, which all belong to one project."""
        self.hall.usage.count_delivered(join.session.caller.project, delivered)

    def _take_end(self, event: SubscriptionEnded) -> None:
        join = self.by_number.get(event.number)
        if join is not None:
            self._end(join, event.problem)

    # Methods for one join.

    async def _ask(self, join: ChannelJoin) -> None:
        """Register a join at Buncast. Raises: the Problems of Buncast.join; Unreachable if the stream does not open."""
        if not self.open.is_set():
            try:
                async with asyncio.timeout(OPEN_SECONDS):
                    await self.open.wait()
            except TimeoutError:
                raise Unreachable("Channels are not available now: try again.") from None
        session = join.session
        async with self.asking.turn(session.caller):
            if join.ended or session.closed or session.blocked:
                return
            number = join.number = next(self.counter)
            join.checks = 0
            self.by_number[number] = join
            try:
                await self.buncast.join(session.caller, self.edge, number, join.asked())
            except BaseException:
                if join.number == number:
                    self._drop_number(join)
                raise
        if join.number != number:  # During the call, the join has ended or the stream has broken.
            await self._leave(number, closed=not join.ended and not session.blocked & Blocked.ENDED)
        else:
            join.settled = True

    async def _bring_up(self, join: ChannelJoin) -> None:
        """Bring one join up to date, if this is still necessary and possible."""
        if not self.open.is_set() or join.ended or join.session.blocked:
            return
        if not join.number:
            await self.begin(join)
        elif join.settled and not join.handle and not join.asking:
            await self._replay(join)

    async def _replay(self, join: ChannelJoin) -> None:
        join.asking = True
        try:
            await self.buncast.replay(self.edge, join.number, join.position)
        except Problem as problem:
            log.debug("a channel could not be replayed", reason=problem.detail)
            if not join.ended and not join.handle:
                self._begin_anew(join)
                self._try_later(join)
        finally:
            join.asking = False

    async def _leave(self, number: int, closed: bool) -> None:
        """Leave a channel.

        If a call fails, try again while the stream is open, because the member would otherwise stay until the stream
        ends.

        If the stream breaks, Buncast forgets all numbers.
        """
        stream = self.streams
        while stream == self.streams:
            try:
                await self.buncast.leave(self.edge, (number,), closed)
                return
            except Problem as problem:
                log.debug("a channel could not be left", reason=problem.detail)
            await asyncio.sleep(AGAIN_SECONDS)

    def _be_behind(self, join: ChannelJoin) -> None:
        """Deliver nothing more to a join until it is brought up to date."""
        self._leave_room(join)
        self._answer_placed(join)

    def _begin_anew(self, join: ChannelJoin, closed: bool = True) -> None:
        """Let Buncast forget the number of a join. The join is registered again later.

        `closed`: true if the connection has ended. The member of the join then stays for two seconds.
        """
        number = join.number
        self._be_behind(join)
        self._drop_number(join)
        if number:
            self.hall.spawn(self._leave(number, closed))

    def _drop_number(self, join: ChannelJoin) -> None:
        self._leave_room(join)
        self.by_number.pop(join.number, None)
        join.number, join.settled = 0, False

    def _leave_room(self, join: ChannelJoin) -> None:
        handle, join.handle = join.handle, ""
        if (room := self.rooms.get(handle)) is not None:
            room.pop(join, None)
            if not room:
                del self.rooms[handle]

    def _try_later(self, join: ChannelJoin) -> None:
        asyncio.get_running_loop().call_later(AGAIN_SECONDS, self._try_again, join.session)

    def _try_again(self, session: Session) -> None:
        if not session.closed and not session.blocked:
            self.catch_up(session)

    def _end(self, join: ChannelJoin, problem: Problem | dict[str, object]) -> None:
        session = join.session
        if session.joins.get(join.id) is join:
            del session.joins[join.id]
        join.ended = True
        self._be_behind(join)
        self._drop_number(join)
        session.put(messages.refusal("end" if join.shown else "error", join.id, problem))

    # Messages without an echo.

    def note_silent(self, number: int, silent: Silent) -> None:
        """Note a message that its publisher does not want to get.

        Each join has a list of its own messages. Before, one list had the messages of all joins. When the stream broke
        with 600 clients in 100 channels each, and each client waited for a message, the search in this list blocked the
        event loop for a second.
        """
        self.silent[number] = silent
        if silent.join.silent is None:
            silent.join.silent = {}
        silent.join.silent[number] = None

    def _drop_silent(self, number: int) -> Silent | None:
        silent = self.silent.pop(number, None)
        if silent is not None and silent.join.silent is not None:
            silent.join.silent.pop(number, None)
        return silent

    def _answer_placed(self, join: ChannelJoin) -> None:
        """Answer the messages of a join whose place is known."""
        for number in list(join.silent or ()):
            if self.silent[number].place is not None:
                self._answer(number)

    def _answer(self, number: int) -> None:
        silent = self._drop_silent(number)
        if silent is not None and silent.place is not None:
            silent.session.put(_published(silent.id, silent.place))


def _published(id: int, place: Published) -> bytes:
    return b'{"t":"ok","id":%d,"offset":%d}' % (id, place.offset)
