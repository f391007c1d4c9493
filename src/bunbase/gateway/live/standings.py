"""The state of each project, as Bundoc has reported it to this process, and the sessions that hold each result."""

from __future__ import annotations

from bunbase.contracts.bundoc.live import LiveQuery
from bunbase.gateway.live.session import Session, Watch


class Group:
    """The sessions that hold the result of one group, each with its watches of this group.

    `query`: a query of this group. Other watches with an equal query share this object.
    """

    __slots__ = ("query", "sessions", "standing")

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self.query: LiveQuery | None = None
        self.sessions: dict[Session, list[Watch]] = {}


class Standing:
    """The state of the project `id`, as Bundoc has reported it to this process. `watches`: the number of watches.

    `moving`: true if something was delivered after the last barrier. `due`: the sessions that must get the next
    barrier.
    """

    __slots__ = ("at", "due", "epoch", "id", "moving", "seq", "watches")

    def __init__(self, id: str) -> None:
        self.id = id
        self.epoch = ""
        self.seq = -1
        self.at = b""
        self.moving = False
        self.due: dict[Session, None] = {}
        self.watches = 0
