"""The data directory. Only its owner can read the directory, git ignores it, and only one process at a time uses it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from bunbase.pkg.errors import CannotStart
from bunbase.pkg.file_lock import Held, hold_file
from bunbase.pkg.secret_files import create_secret_file

CLOSED: Final = 0o700
THROUGH: Final = (
    0o711  # for root: PostgreSQL's user must pass through to its files, but nobody else can list the directory
)
LOCK: Final = "lock"
IGNORED: Final = ".gitignore"
SERVICE_SECRET: Final = "service.secret"


class DataDirectoryTaken(CannotStart):
    """Another process uses this data directory."""


class DataDirectory:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1

    def hold(self) -> None:
        """Create the directory if it does not exist, and lock it until `release` or the end of the process.

        Wait for an earlier holder that was killed but has not ended yet. Raises: DataDirectoryTaken, CannotStart.
        """
        try:
            new = not self.path.exists()
            self.path.mkdir(mode=THROUGH if os.geteuid() == 0 else CLOSED, parents=True, exist_ok=True)
            self._lock = hold_file(self.path / LOCK)
            # git must ignore the keys in the directory, because `bunbase dev` creates it inside the source tree of an
            # app
            if new:
                create_secret_file(self.path / IGNORED, "*\n")
        except Held as held:
            raise DataDirectoryTaken(
                f"another BunBase (process {held.holder}) runs on {self.path}: stop it, or choose another "
                "BUNBASE_DATA_DIR"
            ) from None
        except OSError as error:
            raise CannotStart(f"the data directory {self.path} cannot be used: {error.strerror}") from error

    def release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def service_secret(self) -> str:
        """Return the secret that the processes of this installation share. The first call creates it."""
        path = self.path / SERVICE_SECRET
        create_secret_file(path, secrets.token_urlsafe(32))
        return path.read_text("ascii").strip()
