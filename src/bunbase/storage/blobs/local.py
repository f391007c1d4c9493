"""The files of blobs in a folder. All functions here wait for the disk: call them in threads.

The life of a written blob: its bytes go to the draft `<blob id>#1`. `finish` syncs the draft, renames it, and syncs the
directory. After a crash there is either a whole blob, or a draft that the sweeper deletes.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from bunbase.pkg.secret_files import OWNER_ONLY, sync_directory

DIRECTORY_MODE: Final = 0o700

Span = tuple[int, int]  # the first byte, and the byte after the last one


class LocalFile:
    """A file that is being written. The lock lets `abandon` wait for a write that still runs in another thread:
    otherwise the write could go to another file that has got the same descriptor.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.draft = path.with_name(f"{path.name}#1")
        self.descriptor: int | None = None
        self.ended = False
        self.lock = threading.Lock()

    def write(self, pieces: Sequence[bytes]) -> None:
        """Raises: OSError."""
        with self.lock:
            self._write(pieces)

    def finish(self, pieces: Sequence[bytes]) -> None:
        """Write the last pieces, and sync the whole file and its entry in the directory to disk. Raises: OSError."""
        with self.lock:
            self._write(pieces)
            assert self.descriptor is not None
            os.fsync(self.descriptor)
            self._close()
            self.draft.rename(self.path)
            self.ended = True
        sync_directory(self.path.parent)

    def abandon(self) -> None:
        """Delete the draft. Idempotent; a finished file stays."""
        with self.lock:
            self.ended = True
            if self.descriptor is not None:
                with suppress(OSError):  # The sweeper deletes a draft that could not be deleted.
                    self._close()
                    self.draft.unlink(missing_ok=True)

    def _write(self, pieces: Sequence[bytes]) -> None:
        if self.ended:
            raise OSError("the blob was abandoned")
        if self.descriptor is None:
            self.descriptor = _created(self.draft)
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[os.write(self.descriptor, view) :]

    def _close(self) -> None:
        descriptor, self.descriptor = self.descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def read_spans(path: Path, spans: Sequence[Span]) -> list[memoryview]:
    """Return the bytes of each span; fewer if the file is shorter. Raises: OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return [memoryview(_read(descriptor, start, end)) for start, end in spans]
    finally:
        os.close(descriptor)


def _read(descriptor: int, start: int, end: int) -> bytes:
    found = os.pread(descriptor, end - start, start)
    while len(found) < end - start:  # a signal may end a read early
        more = os.pread(descriptor, end - start - len(found), start + len(found))
        if not more:
            break
        found += more
    return found


def _created(draft: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(draft, flags, OWNER_ONLY)
    except FileNotFoundError:
        draft.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        return os.open(draft, flags, OWNER_ONLY)
