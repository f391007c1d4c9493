"""The files of this machine: walk through a folder, read a file, and write a file that is complete or missing."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from bunbase.cli.errors import Failure

PIECE: Final = 256 << 10
NO_NAMES: Final = frozenset({"", ".", ".."})
PREFIX: Final = ".bunbase-"  # the names of files that are not complete yet begin with it


class LocalFile(msgspec.Struct, frozen=True):
    """A file in a folder. `key`: its path in the folder, with slashes."""

    path: Path
    key: str
    size: int


class Walked(msgspec.Struct):
    """The entries that a walk left out: links and special files."""

    left_out: int = 0


def files_below(folder: Path, walked: Walked) -> Iterator[LocalFile]:
    """Yield all files of a folder and the folders in it. Links are left out: they may lead anywhere, or in a circle."""
    for at, folders, names in os.walk(folder, onerror=_fail):
        folders.sort()
        walked.left_out += sum(os.path.islink(os.path.join(at, one)) for one in folders)
        for name in sorted(names):
            path = Path(at, name)
            found = path.lstat()
            if stat.S_ISREG(found.st_mode) and not name.startswith(PREFIX):
                yield LocalFile(path, path.relative_to(folder).as_posix(), found.st_size)
            else:
                walked.left_out += 1


def _fail(error: OSError) -> None:
    raise error


def pieces_of(path: Path, size: int) -> Iterator[bytes]:
    """Yield the first `size` bytes of a file in pieces."""
    with path.open("rb") as file:
        while size and (piece := file.read(min(PIECE, size))):
            size -= len(piece)
            yield piece


def md5_of(path: Path) -> str:
    """Return the MD5 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def path_below(folder: Path, key: str) -> Path:
    """Return the path at which a key is stored in a folder.

    Raises: Failure for a key that would leave the folder, or that no file can have, such as `a//b` or `/a`.
    """
    names = key.split("/")
    if not NO_NAMES.isdisjoint(names) or "\0" in key:
        raise Failure("key_is_no_path", f"The key {key!r} cannot be a file of a folder. Download it with another name.")
    path = folder.joinpath(*names)
    for parent in path.relative_to(folder).parents:
        if (folder / parent).is_symlink() and parent != Path():
            raise Failure("path_is_a_link", f"{folder / parent} is a link, so {key} is not written there.")
    return path


@contextmanager
def written(path: Path) -> Iterator[Any]:
    """Yield a file to write to. At the end of the block, it replaces the file at `path`; after an error, it is gone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=PREFIX)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
