"""The state of each project as this process has heard it from Bundoc, and the sessions that hold each result."""

from __future__ import annotations

from bunbase.contracts.bundoc.live import LiveQuery
from bunbase.gateway.live.session import Session, Watch


class Group:
    """The sessions that hold the result of one group, each with its watches of this group.

    `query`: one that leads to this group; equal queries of other watches become this object.
    """

    __slots__ = ("query", "sessions", "standing")

    def __init__(self, standing: Standing) -> None:
        self.standing = standing
        self.query: LiveQuery | None = None
        self.sessions: dict[Session, list[Watch]] = {}


class Standing:
    """The state that this process has heard of for the project `id`. `watches`: the number of watches.

    `moving`: something has been delivered since the last barrier. `due`: the sessions that must get the next barrier.
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
