"""The newest write of a client, so that its reads see it wherever the answer comes from."""

from __future__ import annotations

import os
import threading


class Marks:
    """Keeps the newest `X-Bunbase-Seq`: `<epoch>.<number>`. All threads of a client share it."""

    def __init__(self) -> None:
        self.newest: str | None = None
        self._lock, self._process = threading.Lock(), os.getpid()

    def note(self, mark: str | None) -> None:
        """Keep the mark if it is newer. A mark of another epoch replaces it: a backup was restored."""
        if not mark or not _number(mark):
            return
        if self._process != os.getpid():  # a lock that another thread held at the fork stays locked in the child
            self._lock, self._process = threading.Lock(), os.getpid()
        with self._lock:
            if epoch_of(mark) != epoch_of(self.newest) or _number(mark) > _number(self.newest):
                self.newest = mark


def epoch_of(mark: str | None) -> str:
    return (mark or "").partition(".")[0]


def _number(mark: str | None) -> int:
    number = (mark or "").partition(".")[2]
    return int(number) if number.isascii() and number.isdigit() else 0
