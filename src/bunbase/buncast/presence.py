"""The members of one channel. Each member is one connection, so a user with two connections is two members.

Buncast collects changes, and sends them at most five times a second. A member whose connection was lost lingers: it
stays in the list for a while, and meanwhile the same user can continue it with another connection.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final, Literal

import msgspec

from bunbase.contracts.buncast import SHOWN_MEMBERS

FRAME_SECONDS: Final = 0.2
FEWER_MEMBERS: Final = 400  # A list that was too long to send is sent again when it has at most this many members.
MEMBER_BYTES: Final = 300  # A member takes this much memory, in addition to its data.

Word = Literal["enter", "update", "leave"]


class Member(msgspec.Struct, eq=False):
    """A member of a channel. `number`: identifies the member within the channel. `owner`: the subscription that the
    member belongs to;
    None after it has left.

    `until`: the time at which a lingering member leaves; None for a member with an open connection. `caller`: the name
    under which its memory is counted.
    """

    number: int
    uid: str | None
    connection: str
    data: bytes
    owner: Any
    until: float | None = None
    caller: str = ""

    @property
    def name(self) -> str:
        return f"m{self.number}"

    @property
    def size(self) -> int:
        return len(self.data) + MEMBER_BYTES


class MembersSize:
    """The memory of all members of a project, in `bytes`, and their number `count`.

    `by_caller`: the memory of the members of each caller that has its own limit.
    """

    def __init__(self) -> None:
        self.bytes = self.count = 0
        self.by_caller: Counter[str] = Counter()

    def add(self, caller: str, bytes: int, count: int = 0) -> None:
        self.bytes += bytes
        self.count += count
        if caller:
            self.by_caller[caller] += bytes
            if not self.by_caller[caller]:
                del self.by_caller[caller]


class Presence:
    """The members of one channel. `large`: true if there are so many members that only their number is sent. `total`:
    counts the memory of all members of the project.
    """

    __slots__ = ("_by_connection", "_changed", "_last", "_lingering", "_told_at", "large", "members", "total")

    def __init__(self, total: MembersSize) -> None:
        self.total = total
        self.members: dict[int, Member] = {}
        self.large = False
        self._last = 0  # This is the number of the newest member.
        self._by_connection: dict[str, Member] = {}
        self._lingering: dict[int, Member] = {}
        self._changed: dict[int, Word] = {}
        self._told_at = float("-inf")

    @property
    def busy(self) -> bool:
        """True if `tick` still has something to do."""
        return bool(self._changed or self._lingering)

    def enter(
        self, owner: Any, uid: str | None, connection: str, resumes: str, data: bytes, caller: str = ""
    ) -> Member:
        """Return the member of a subscription: a new member, or the member of the connection that it resumes."""
        own = self._by_connection.get(connection)
        if own is not None and own.uid != uid:
            self.leave(own)  # The same connection has another user now.
        member = self.resumed(uid, connection, resumes)
        if member is None:
            self._last += 1
            member = Member(self._last, uid, connection, data, owner, caller=caller)
            self.members[member.number] = member
            self._by_connection[connection] = member
            self.total.add(caller, member.size, 1)
            self._changed[member.number] = "enter"
            return member
        del self._by_connection[member.connection]
        member.connection, member.owner, member.until = connection, owner, None
        self._by_connection[connection] = member
        self._lingering.pop(member.number, None)
        self.update(member, data)
        return member

    def resumed(self, uid: str | None, connection: str, resumes: str) -> Member | None:
        """Return the member that `enter` would continue; None if it would make a new member."""
        known = [self._by_connection.get(name) for name in (connection, resumes)]
        return next((member for member in known if member is not None and member.uid == uid), None)

    def update(self, member: Member, data: bytes) -> None:
        if data != member.data:
            self.total.add(member.caller, len(data) - len(member.data))
            member.data = data
            self._changed.setdefault(member.number, "update")

    def linger(self, member: Member, until: float) -> None:
        member.until = until
        self._lingering[member.number] = member

    def leave(self, member: Member) -> None:
        """Remove a member. Idempotent."""
        if self.members.pop(member.number, None) is None:
            return
        del self._by_connection[member.connection]
        self._lingering.pop(member.number, None)
        self.total.add(member.caller, -member.size, -1)
        member.owner = None
        # The member counts as removed even if no frame has announced it, because a list may have shown it.
        self._changed[member.number] = "leave"

    def tick(self, now: float) -> bytes | None:
        """Remove members that have lingered for too long. Return the body of a frame if it is time to send one."""
        for member in [one for one in self._lingering.values() if one.until is not None and one.until <= now]:
            self.leave(member)
        if not self._changed or now < self._told_at + FRAME_SECONDS:
            return None
        self._told_at = now
        changed, self._changed = self._changed, {}
        was_large = self.large
        self.large = len(self.members) > (FEWER_MEMBERS if was_large else SHOWN_MEMBERS)
        if self.large or was_large:
            return self.body()
        return self._difference(changed)

    def body(self) -> bytes:
        """Return JSON for a subscription that begins: `members`, if the list is not too long, and the number `n`.

        The list may already contain a change that Buncast sends later. So clients may get a change twice.
        """
        count = b'"n":%d' % len(self.members)
        if self.large:
            return count
        return b'"members":[' + b",".join([_shown(member) for member in self.members.values()]) + b"]," + count

    def _difference(self, changed: dict[int, Word]) -> bytes:
        parts: dict[Word, list[bytes]] = {"enter": [], "update": [], "leave": []}
        for number, word in changed.items():
            member = self.members.get(number)
            parts[word].append(b'"m%d"' % number if member is None else _shown(member))
        lists = [b'"%b":[%b],' % (word.encode(), b",".join(shown)) for word, shown in parts.items() if shown]
        return b"".join(lists) + b'"n":%d' % len(self.members)


def _shown(member: Member) -> bytes:
    return b'{"m":"%b","uid":%b,"data":%b}' % (member.name.encode(), msgspec.json.encode(member.uid), member.data)
