"""Find the files that have changed on disk: the files of a project's functions, and all files that they import.

This module polls the files. Polling a hundred files takes a millisecond and works on every file system, also on
container mounts. The module sees every change, whether an editor writes, renames or swaps files. Notifications would
miss some changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

MAX_FILES: Final = 10_000
NEVER: Final = frozenset({"node_modules", "__pycache__"})

State = tuple[int, int, int]


class SavedFiles:
    def __init__(self, folders: Iterable[Path], files: Iterable[Path]) -> None:
        """Watch all files in `folders`, and each of `files`; neither needs to exist."""
        self.folders = tuple(folders)
        self.files = tuple(files)
        self.also: set[Path] = set()
        self.seen = self._look()

    def watch(self, files: Iterable[Path]) -> None:
        """Also watch these files from now on."""
        for file in files:
            path = Path(os.path.abspath(file))
            if path not in self.also and NEVER.isdisjoint(path.parts):
                self.also.add(path)
                self._note(path, self.seen)

    def changed(self) -> set[Path]:
        """Return the files that were written, made or removed since the last call."""
        now, before = self._look(), self.seen
        self.seen = now
        return {path for path in now.keys() | before.keys() if now.get(path) != before.get(path)}

    def _look(self) -> dict[Path, State]:
        found: dict[Path, State] = {}
        for path in (*self._in_folders(), *map(Path.absolute, self.files), *self.also):
            self._note(path, found)
        return found

    def _in_folders(self) -> Iterator[Path]:
        count = 0
        for folder in self.folders:
            # a symbolic link may lead to a folder above, or to a folder that was already read
            seen = set[tuple[int, int]]()
            for place, folders, files in os.walk(folder, followlinks=True):
                if not _is_new(place, seen):
                    folders.clear()
                    continue
                folders[:] = sorted(name for name in folders if name not in NEVER and not name.startswith("."))
                for name in files:
                    count += 1
                    if count > MAX_FILES:
                        return
                    yield Path(os.path.abspath(place), name)

    def _note(self, path: Path, states: dict[Path, State]) -> None:
        try:
            state = path.stat()
        except OSError:
            return
        states[path] = (state.st_mtime_ns, state.st_size, state.st_ino)


def _is_new(folder: str, seen: set[tuple[int, int]]) -> bool:
    try:
        state = os.stat(folder)
    except OSError:
        return False
    key = (state.st_dev, state.st_ino)
    is_new = key not in seen
    seen.add(key)
    return is_new
