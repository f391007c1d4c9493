"""The messages of channels: `join`, `leave`, `publish` and `presence`. A connection's messages are handled in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from bunbase.gateway.live import messages
from bunbase.gateway.live.joins import ChannelJoin, JoinMessage, LeaveMessage, PresenceMessage, PublishMessage
from bunbase.gateway.live.problems import AlreadyJoined, LiveIdTaken, TooManyChannels, TooManyWaitingMessages
from bunbase.gateway.live.session import Session
from bunbase.pkg.errors import Problem

# At most this many messages of one connection wait. Waiting messages are handled one after the other.
MAX_WAITING: Final = 100

Work = Callable[[], Coroutine[Any, Any, None]]


class Order(msgspec.Struct, frozen=True):
    """The work for one message. `join`: the channel that it joins; None for other messages."""

    id: int
    work: Work
    join: ChannelJoin | None = None


class Orders:
    """The work of one connection, which is done in the order of the messages, because a client relies on this order.

    The work is paused while the sign-in of the connection is not known to be valid.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.waiting: deque[Order] = deque()
        self.busy = False

    def check_room(self) -> None:
        """Check that one more message may wait. Raises: TooManyWaitingMessages."""
        if len(self.waiting) >= MAX_WAITING:
            detail = f"{MAX_WAITING} messages of this connection wait already: wait for their answers."
            raise TooManyWaitingMessages(detail, limit=MAX_WAITING, retry_after_seconds=1)

    def add(self, order: Order) -> None:
        """Do this work after all earlier work. Refuse it if too much work already waits."""
        try:
            self.check_room()
        except TooManyWaitingMessages as problem:
            self.session.refuse(order.id, problem)
            return
        self.waiting.append(order)
        self.go_on()

    def go_on(self) -> None:
        """Do the waiting work. Idempotent."""
        if self.waiting and not self.busy:
            self.busy = True
            self.session.home.spawn(self._do_all())

    def drop(self, problem: Problem) -> None:
        """Refuse the waiting work. For joins, the client gets a message when the join ends."""
        dropped, self.waiting = self.waiting, deque()
        for order in dropped:
            if order.join is None:
                self.session.refuse(order.id, problem)

    async def _do_all(self) -> None:
        try:
            while self.waiting and not self.session.closed and self.session.may_act():
                await self.waiting.popleft().work()
                await asyncio.sleep(0)  # A rule may take 2 ms, and 100 rules must not run in one turn.
        finally:
            self.busy = False


def on_join(session: Session, message: JoinMessage) -> None:
    most = session.home.settings.max_channels
    try:
        if message.id in session.joins or message.id in session.watches:
            raise LiveIdTaken(f"The id {message.id} is in use: choose another number.")
        if any(join.channel == message.channel for join in session.joins.values()):
            raise AlreadyJoined("This connection has joined the channel already: leave it first.")
        if len(session.joins) >= most:
            raise TooManyChannels(f"A connection can join {most} channels at once.", limit=most)
        orders_of(session).check_room()
    except Problem as problem:
        session.refuse(message.id, problem)
        return
    join = session.joins[message.id] = ChannelJoin(session, message)
    orders_of(session).add(Order(message.id, lambda: session.home.channels.begin(join), join))


def on_leave(session: Session, message: LeaveMessage) -> None:
    join = session.joins.pop(message.id, None)
    if join is not None:
        session.home.channels.forget(join)
    session.put(messages.ok(message.id))


def on_publish(session: Session, message: PublishMessage) -> None:
    orders_of(session).add(Order(message.id, lambda: session.home.channels.publish(session, message)))


def on_presence(session: Session, message: PresenceMessage) -> None:
    data = bytes(message.data) if isinstance(message.data, msgspec.Raw) else None
    set_presence = session.home.channels.set_presence
    orders_of(session).add(Order(message.id, lambda: set_presence(session, message.id, message.channel, data)))


def orders_of(session: Session) -> Orders:
    if session.orders is None:
        session.orders = Orders(session)
    assert isinstance(session.orders, Orders)
    return session.orders
