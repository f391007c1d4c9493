"""The mark of a client's newest write. Reads send the mark, so that each answer contains this write."""

from __future__ import annotations

import os
import threading


class Marks:
    """Keeps the newest `X-Bunbase-Seq`: `<epoch>.<number>`. All threads of a client share it."""

    def __init__(self) -> None:
        self.newest: str | None = None
        self._lock, self._process = threading.Lock(), os.getpid()

    def note(self, mark: str | None) -> None:
        """Store the mark if it is newer. A mark of another epoch always counts, because a backup was restored."""
        if not mark or not _number(mark):
            return
        if self._process != os.getpid():  # after a fork, another thread of the parent may still hold the old lock
            self._lock, self._process = threading.Lock(), os.getpid()
        with self._lock:
            if epoch_of(mark) != epoch_of(self.newest) or _number(mark) > _number(self.newest):
                self.newest = mark


def epoch_of(mark: str | None) -> str:
    return (mark or "").partition(".")[0]


def _number(mark: str | None) -> int:
    number = (mark or "").partition(".")[2]
    return int(number) if number.isascii() and number.isdigit() else 0
