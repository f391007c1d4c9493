"""The plan of `bunbase storage sync`: compare a folder of this machine with a folder of a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from bunbase.cli.errors import Usage
from bunbase.cli.output import Output
from bunbase.cli.storage_files.copying import download_of, upload_of, warn_of
from bunbase.cli.storage_files.local import LocalFile, Walked, files_below, md5_of, path_below
from bunbase.cli.storage_files.places import Remote, checked_key
from bunbase.cli.storage_files.remote import MD5, PAGE, Objects
from bunbase.cli.storage_files.transfers import Task, Transfers
from bunbase.contracts.storage import StoredObject

T = TypeVar("T")

MOST: Final = 1_000_000  # local or stored files; the plan holds the name of each


class Sync(msgspec.Struct):
    """A plan. `gone`: the files of the target to delete. `equal`: the number of files that need no copy."""

    here: Path
    there: Remote
    up: bool
    walked: Walked
    uploads: list[LocalFile] = []
    downloads: list[tuple[str, int]] = []
    gone: list[str] = []
    equal: int = 0
    bytes: int = 0

    @property
    def names(self) -> list[str]:
        return [one.key for one in self.uploads] if self.up else [key for key, _ in self.downloads]

    def tasks(self, objects: Objects) -> Iterator[Task]:
        for file in self.uploads:
            yield upload_of(objects, file, self.there.below(file.key))
        for key, size in self.downloads:
            yield download_of(objects, self.there.below(key), path_below(self.here, key), size)

    def delete(self, objects: Objects, transfers: Transfers) -> None:
        """Delete the files of the target that the source does not have."""
        if not self.up:
            for key in self.gone:
                path_below(self.here, key).unlink(missing_ok=True)
                transfers.result.deleted += 1
            return
        for start in range(0, len(self.gone), PAGE):
            keys = [self.there.below(key).key for key in self.gone[start : start + PAGE]]
            transfers.note_deleted(self.there.bucket, objects.delete(self.there.bucket, keys))

    def warn(self, out: Output) -> None:
        warn_of(self.walked, out)


def planned(objects: Objects, source: Remote | Path, target: Remote | Path, deletes: bool) -> Sync:
    """Compare the two sides. Raises: Usage if one of them has too many files; Failure for a name that fits no key."""
    if isinstance(source, Path) and isinstance(target, Remote):
        plan = Sync(source, target, True, Walked())
    elif isinstance(target, Path) and isinstance(source, Remote):
        plan = Sync(target, source, False, Walked())
    else:
        raise Usage("Name a folder of this machine and a place in a bucket, such as ./public and site:.")
    here, there, up = plan.here, plan.there, plan.up
    mine = {file.key: file for file in _limited(files_below(here, plan.walked))} if here.is_dir() else {}
    folder = there.below("")
    theirs = {one.key[len(folder.key) :]: one for one in _limited(objects.below(folder))}
    for key in sorted(mine.keys() | theirs.keys() if deletes else (mine if up else theirs).keys()):
        _compare(plan, key, mine.get(key), theirs.get(key))
    return plan


def _compare(plan: Sync, key: str, mine: LocalFile | None, theirs: StoredObject | None) -> None:
    if (mine if plan.up else theirs) is None:
        plan.gone.append(key)
    elif mine and theirs and _equal(mine, theirs):
        plan.equal += 1
    elif plan.up and mine:
        checked_key(plan.there.below(key).key)
        plan.uploads.append(mine)
        plan.bytes += mine.size
    elif theirs:
        path_below(plan.here, key)
        plan.downloads.append((key, theirs.size))
        plan.bytes += theirs.size


def _equal(mine: LocalFile, theirs: StoredObject) -> bool:
    """True if both have the same bytes. An object that was uploaded in parts has no MD5: then only the sizes count, and
    a local file that is newer than the object is different.
    """
    if mine.size != theirs.size:
        return False
    if MD5.fullmatch(theirs.etag):
        return md5_of(mine.path) == theirs.etag
    return mine.path.stat().st_mtime <= theirs.updated_at.timestamp()


def _limited(files: Iterator[T]) -> Iterator[T]:
    for count, one in enumerate(files):
        if count >= MOST:
            raise Usage(
                f"There are more than {MOST:,} files. Synchronise one folder after the other.", "too_many_files"
            )
        yield one
