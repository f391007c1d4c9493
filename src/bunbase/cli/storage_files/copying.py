"""The copies of `bunbase storage cp`: one file or a folder, in one of three directions, or a stream."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from bunbase.cli.errors import Failure, Usage
from bunbase.cli.output import Output, counted
from bunbase.cli.storage_files.local import PIECE, LocalFile, Walked, files_below, path_below, pieces_of, written
from bunbase.cli.storage_files.places import Remote, checked_key
from bunbase.cli.storage_files.remote import Body, Moved, Objects
from bunbase.cli.storage_files.transfers import Task, Transfers
from bunbase.contracts.storage import StoredObject

NO_TYPE = "application/octet-stream"


class Copies:
    """One command. Raises: Usage if the two places do not fit."""

    def __init__(
        self, source: Remote | Path | None, target: Remote | Path | None, all: bool, content_type: str
    ) -> None:
        self.source, self.target, self.all, self.content_type = source, target, all, content_type
        self.walked = Walked()
        if not isinstance(source, Remote) and not isinstance(target, Remote):
            raise Usage("One of the two must be a place in a bucket, such as photos:2026/.")
        if self.streams and all:
            raise Usage("- is one file: it does not go with --recursive.")
        if isinstance(source, Path):
            self._check_path(source)
        if isinstance(source, Remote) and not all and (not source.key or source.key.endswith("/")):
            raise Usage(f"{source} is a folder. To copy all files below it: -r")
        if source is None and isinstance(target, Remote) and (not target.key or target.key.endswith("/")):
            raise Usage("Name the whole key of the file, because a stream has no name.")

    def _check_path(self, source: Path) -> None:
        if self.all:
            check_folder(source)
        elif source.is_dir():
            raise Usage(f"{source} is a folder. To copy all files in it: -r")
        elif not source.is_file():
            raise Usage(f"There is no file {source}.", "file_not_found")

    @property
    def streams(self) -> bool:
        return self.source is None or self.target is None

    def stream(self, objects: Objects, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        """Upload stdin, or write an object to stdout."""
        if isinstance(self.target, Remote):
            body = Body(partial(_pieces, stdin), _ignore)
            objects.upload(self.target, body, {"content-type": self.content_type or type_of(self.target.key)})
        elif isinstance(self.source, Remote):
            objects.download(self.source, stdout.write, _ignore)
            stdout.flush()

    def total(self) -> int:
        """Return the number of bytes to copy, or 0 if it is unknown."""
        if not isinstance(self.source, Path):
            return 0
        return sum(one.size for one in files_below(self.source, Walked())) if self.all else self.source.stat().st_size

    def tasks(self, objects: Objects, transfers: Transfers) -> Iterator[Task]:
        """Yield the transfers. A file whose name fits no key, or a key that fits no file, becomes a failure."""
        source, target = self.source, self.target
        if isinstance(source, Path) and isinstance(target, Remote):
            files = files_below(source, self.walked) if self.all else [_alone(source)]
            for file in files:
                try:
                    to = self._named(target, file.key)
                    checked_key(to.key)
                except Failure as failure:
                    transfers.fail(ascii(file.key), failure.code, failure.detail)
                    continue
                yield upload_of(objects, file, to, self.content_type)
        elif isinstance(source, Remote) and isinstance(target, Path):
            yield from self._downloads(objects, source, target, transfers)
        elif isinstance(source, Remote) and isinstance(target, Remote):
            for key, below in self._keys(objects, source):
                to = target.below(below) if self.all else self._named(target, below)
                yield Task(key, 0, partial(_copy, objects, Remote(source.bucket, key), to))

    def _downloads(self, objects: Objects, source: Remote, target: Path, transfers: Transfers) -> Iterator[Task]:
        if not self.all:
            name = source.key.rpartition("/")[2]
            path = path_below(target, name) if target.is_dir() else target
            yield download_of(objects, source, path)
            return
        for one, below in _below(objects, source):
            try:
                path = path_below(target, below)
            except Failure as failure:
                transfers.fail(one.key, failure.code, failure.detail)
                continue
            yield download_of(objects, Remote(source.bucket, one.key), path, one.size)

    def _keys(self, objects: Objects, source: Remote) -> Iterator[tuple[str, str]]:
        if not self.all:
            yield source.key, source.key.rpartition("/")[2]
            return
        for one, below in _below(objects, source):
            yield one.key, below

    def _named(self, target: Remote, name: str) -> Remote:
        folder = self.all or not target.key or target.key.endswith("/")
        return target.below(name) if folder else target

    def warn(self, out: Output) -> None:
        warn_of(self.walked, out)


def check_folder(path: Path) -> None:
    """Raises: Usage if the path is no folder."""
    if not path.is_dir():
        raise Usage(f"There is no folder {path}.", "folder_not_found")


def warn_of(walked: Walked, out: Output) -> None:
    if walked.left_out:
        out.warn(f"Left out: {counted(walked.left_out, 'link or special file')}.")


def upload_of(objects: Objects, file: LocalFile, to: Remote, content_type: str = "") -> Task:
    def upload(moved: Moved) -> None:
        body = Body(partial(pieces_of, file.path, file.size), moved)
        headers = {"content-type": content_type or type_of(file.key), "content-length": str(file.size)}
        objects.upload(to, body, headers)

    return Task(str(file.path), file.size, upload)


def download_of(objects: Objects, source: Remote, path: Path, size: int = 0) -> Task:
    def download(moved: Moved) -> None:
        with written(path) as file:
            objects.download(source, file.write, moved)

    return Task(str(source), size, download)


def type_of(name: str) -> str:
    """Return the type of a file by the end of its name."""
    return mimetypes.guess_type(name, strict=False)[0] or NO_TYPE


def _below(objects: Objects, source: Remote) -> Iterator[tuple[StoredObject, str]]:
    """Yield each object below a folder, and the rest of its key."""
    folder = source.below("")
    for one in objects.below(folder):
        yield one, one.key[len(folder.key) :]


def _alone(path: Path) -> LocalFile:
    return LocalFile(path, path.name, path.stat().st_size)


def _copy(objects: Objects, source: Remote, to: Remote, _moved: Moved) -> None:
    objects.copy(source, to)


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(PIECE):
        yield piece


def _ignore(_count: int) -> Any:
    """A stream shows no progress."""
