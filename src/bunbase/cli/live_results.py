"""The messages of a live query, as the command reads them (docs/live-protocol.md).

The command shows only changes, and not the whole result in its order. So the command stores the documents by id. After
each reconnection, it compares the whole new result with the stored documents.
"""

from __future__ import annotations

from typing import Any

import msgspec

from bunbase.cli.errors import Refused, Unreachable

Document = msgspec.Raw


class WithId(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="_id")


class Message(msgspec.Struct, frozen=True):
    """A message of the server, with only the members that the command needs.

    `docs`: the whole result, or None in messages that do not contain the result.
    """

    t: str
    at: str = ""
    docs: tuple[Document, ...] | None = None
    gone: tuple[str, ...] = ()
    put: tuple[tuple[int, Document], ...] = ()
    n: int | None = None
    turn: int = 0
    problem: dict[str, Any] = {}


class Changed(msgspec.Struct, frozen=True):
    """The changes in the result of a query up to the state `at`.

    `count`: None if the query did not ask for the count.
    """

    at: str
    added: tuple[Document, ...]
    changed: tuple[Document, ...]
    removed: tuple[Document, ...]
    count: int | None


class LiveDocuments:
    """The documents of one live query, by id."""

    def __init__(self) -> None:
        self.told: dict[str, bytes] | None = None
        self.told_count: int | None = None
        self.documents: dict[str, bytes] = {}
        self.count: int | None = None
        self.turn = 0

    def take(self, message: Message) -> Changed | None:
        """Process one message. At a barrier, return all changes since the last barrier.

        Raises: Refused; Unreachable if the command must connect again.
        """
        match message.t:
            case "now":
                self.documents = {_id(one): bytes(one) for one in message.docs or ()}
                self.count, self.turn = message.n, message.turn
            case "diff" if message.turn == self.turn + 1:
                self._apply(message)
            case "diff" if message.turn > self.turn:
                raise Unreachable("A message of the server was lost.")
            case "at":
                return self._told(message.at)
            case "end" | "error":
                raise Refused(message.problem)
            case "bye":
                raise Unreachable("The server ended the answer.")
            case _:
                pass
        return None

    def _apply(self, message: Message) -> None:
        self.turn = message.turn
        self.count = self.count if message.n is None else message.n
        for id in message.gone:
            self.documents.pop(id, None)
        self.documents |= {_id(document): bytes(document) for _, document in message.put}

    def _told(self, at: str) -> Changed | None:
        before, now = self.told or {}, self.documents
        changed = Changed(
            at,
            tuple(Document(one) for id, one in now.items() if id not in before),
            tuple(Document(one) for id, one in now.items() if id in before and before[id] != one),
            tuple(Document(one) for id, one in before.items() if id not in now),
            self.count,
        )
        same = not (changed.added or changed.changed or changed.removed) and self.told_count == self.count
        if same and self.told is not None:
            return None
        self.told, self.told_count = dict(now), self.count
        return changed


def _id(document: Document) -> str:
    return msgspec.json.decode(document, type=WithId).id
