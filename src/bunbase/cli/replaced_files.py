"""Replace a file in one step, so that no other program ever reads half of it."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path


def replace_file(path: Path, text: str, mode: int | None = None) -> None:
    """Write the text to a temporary file, and rename it. `mode`: the permissions; None keeps the present permissions.

    A symbolic link stays, and the file that it leads to is replaced. If that file does not exist, the link itself is
    replaced: otherwise, a link in a foreign folder could create a file anywhere. If the file itself is a mount point,
    as in a container, it cannot be renamed, so its content is overwritten.
    """
    path = linked_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode is None:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException as error:
        os.unlink(name)
        if not isinstance(error, OSError) or error.errno != errno.EBUSY:
            raise
        os.chmod(path, mode)  # set the mode before the text is written, because the text may be secret
        path.write_bytes(text.encode())


def linked_file(path: Path) -> Path:
    """Return the file that a symbolic link leads to, or else the path itself.

    The file may be on another file system.
    """
    return path.resolve() if path.is_symlink() and path.exists() else path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
