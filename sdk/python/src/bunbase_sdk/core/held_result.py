"""The result that a client of a live query holds, and the rules by which messages change it (docs/live-protocol.md)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bunbase_sdk.live_result import LiveResult

Document = dict[str, Any]
MAX_HAVE: Final = 1000


class HeldResult:
    """`at`: the last barrier. `group`, `turn`: the group and the number of the last difference.

    A barrier is a message after which the result belongs to one state of the project. `told`: the result that `take`
    returned last. `why`: the reason for watching the query again: `gap` for a lost difference, `check` for a wrong
    result, "" if there was no error.
    """

    def __init__(self) -> None:
        self.items: list[Document] = []
        self.count: int | None = None
        self.at = ""
        self.group = ""
        self.turn = 0
        self.why = ""
        self.told: dict[str, Document] | None = None
        self.told_count: int | None = None

    def resume(self) -> dict[str, object]:
        """Return the members of `watch` that describe the held result. Before the first barrier, there is none."""
        why = {"why": self.why} if self.why else {}
        if not self.at or not self.group or len(self.items) > MAX_HAVE:
            return {**why}
        return {"at": self.at, "g": self.group, "have": [item["_id"] for item in self.items], **why}

    def forget(self) -> None:
        """Drop the held result, so that the next result is a whole one.

        `told` stays, because the caller still has the documents in it.
        """
        self.items, self.group, self.at = [], "", ""

    def now(self, message: Mapping[str, Any]) -> None:
        """Process a result: a whole result, or a difference from the documents that this client sent as `have`."""
        self.group, self.turn, self.why = message["g"], message["turn"], ""
        self.count = message.get("n")
        if message.get("resumed"):
            self._apply(message)
        else:
            self.items = list(message["docs"])

    def diff(self, message: Mapping[str, Any]) -> bool:
        """Apply a difference. Return False if the previous difference is missing."""
        if message["g"] != self.group or message["turn"] <= self.turn:
            return True
        if message["turn"] != self.turn + 1:
            return False
        self.turn = message["turn"]
        self.count = message.get("n", self.count)
        self._apply(message)
        return True

    def agrees(self, message: Mapping[str, Any]) -> bool:
        """True if a `check` describes the held result, or if it is about another turn."""
        if message["g"] != self.group or message["turn"] != self.turn:
            return True
        lines = "".join([f"{item['_id']} {item['_rev']}\n" for item in self.items])
        digest = f"{zlib.crc32(lines.encode()):08x}"
        return (message["n"], message["h"]) == (len(self.items), digest)

    def take(self, at: str) -> LiveResult[Any] | None:
        """Process a barrier. Return the result and its changes since the last call, or None if nothing changed."""
        self.at = at
        before, now = self.told, {item["_id"]: item for item in self.items}
        same = before is not None and self.told_count == self.count and list(before) == list(now)
        changed = [] if before is None else [doc for id, doc in now.items() if id in before and before[id] != doc]
        if same and not changed:
            return None
        self.told, self.told_count = now, self.count
        return LiveResult(
            items=list(self.items),
            added=[doc for id, doc in now.items() if before is None or id not in before],
            changed=changed,
            removed=[] if before is None else [doc for id, doc in before.items() if id not in now],
            at=at,
            count=self.count,
        )

    def _apply(self, message: Mapping[str, Any]) -> None:
        put: Sequence[tuple[int, Document]] = message.get("put", ())
        out = {*message.get("gone", ()), *[document["_id"] for _, document in put]}
        self.items = [item for item in self.items if item["_id"] not in out]
        for index, document in put:
            self.items.insert(index, document)
