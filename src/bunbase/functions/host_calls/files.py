"""`ctx.files`: objects in buckets, through the same contract as the routes of files.

The content streams in both directions. Between a worker and Storage there is at most one piece of each transfer, so a
large object needs no more memory than a small one: the worker's credit (`workers/asks.py`) makes the other side wait.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from contextvars import Context
from functools import partial
from typing import Annotated, Any, Final, TypeVar, cast

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.host_calls import FilesOverloaded
from bunbase.contracts.storage import (
    MAX_KEY_BYTES,
    Conditions,
    Copying,
    Listing,
    NewLink,
    NewObject,
    Opened,
    Piece,
    Place,
    Reading,
    Storage,
)
from bunbase.functions.host_calls.arguments import read
from bunbase.functions.host_calls.power import Power, caller_of
from bunbase.functions.workers.asks import Ask
from bunbase.functions.workers.limits import MAX_WHOLE_BYTES
from bunbase.pkg.api_json import api_json
from bunbase.pkg.cursors import DEFAULT_LIMIT, MAX_LIMIT
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.logger import logger

log = logger("functions")

T = TypeVar("T")

MAX_KEYS_BYTES: Final = 2 << 20  # the body of a call that names many keys
# a transfer has at most 0.8 MiB in this process, so that all of them together have at most 200 MiB
MAX_TRANSFERS: Final = 256
MAX_TRANSFERS_PER_PROJECT: Final = 64

Tag = Annotated[str, msgspec.Meta(pattern='^[^"]{1,200}$')]


class FileAddress(msgspec.Struct, frozen=True):
    """`power`: the rights to use. `if_match`, `if_absent`: the condition of the act."""

    bucket: str
    key: str = ""
    power: Power = msgspec.field(default="project", name="as")
    if_match: Tag | None = None
    if_absent: bool = False

    @property
    def place(self) -> Place:
        return Place(self.bucket, self.key)

    @property
    def conditions(self) -> Conditions:
        matched = None if self.if_match is None else f'"{self.if_match}"'
        return Conditions(matched, "*" if self.if_absent else None)


class FileUpload(FileAddress, frozen=True, kw_only=True):
    """`length`: the number of bytes, or None if the function sends a stream."""

    content_type: str = ""
    cache_control: str = ""
    metadata: dict[str, str] = {}
    length: Annotated[int, msgspec.Meta(ge=0)] | None = None


class FileReading(FileAddress, frozen=True, kw_only=True):
    """`start`, `end`: the range of bytes, without the byte at `end`. A negative `start` counts from the end."""

    start: int | None = None
    end: int | None = None

    @property
    def range(self) -> str:
        """The range as a header. Raises: InvalidInput."""
        start, end = self.start, self.end
        if start is None and end is None:
            return ""
        start = start or 0
        if (end is not None and (start < 0 or end <= start)) or max(abs(start), end or 0) > 1 << 62:
            raise InvalidInput("A range has a `start` that is less than its `end`; a negative `start` has no `end`.")
        return f"bytes={start}" if start < 0 else f"bytes={start}-{'' if end is None else end - 1}"


class FileListing(msgspec.Struct, frozen=True):
    bucket: str
    power: Power = msgspec.field(default="project", name="as")
    prefix: Annotated[str, msgspec.Meta(max_length=MAX_KEY_BYTES)] = ""
    delimiter: Annotated[str, msgspec.Meta(max_length=32)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    cursor: str | None = None


class FileCopy(msgspec.Struct, frozen=True):
    copying: Copying
    power: Power = msgspec.field(default="project", name="as")


class FileLink(msgspec.Struct, frozen=True):
    link: NewLink
    power: Power = msgspec.field(default="project", name="as")


class Files:
    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.transfers: Counter[str] = Counter()
        self.aside: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        while self.aside:  # an upload that has begun too late is ended in a separate task
            await asyncio.gather(*self.aside, return_exceptions=True)
            await asyncio.sleep(0)  # the callbacks of the tasks run now

    async def put(self, ask: Ask) -> None:
        sent = read(ask.args, FileUpload)
        caller = caller_of(ask, sent.power)
        length = sent.length if ask.whole is None else len(ask.whole)
        new = NewObject(sent.content_type, length, sent.cache_control, sent.metadata, sent.conditions)
        with self._counted(ask):
            upload = await self._begun(caller, sent.place, new)
            try:
                async for data in ask.parts():
                    await self.storage.feed_upload(caller, upload, data)
                written = await self.storage.finish_upload(caller, upload)
            except BaseException:
                self._abort(caller, upload)
                raise
        await ask.reply(api_json(written.object))

    async def get(self, ask: Ask) -> None:
        sent = read(ask.args, FileReading)
        reading = Reading(sent.place, sent.conditions, sent.range)
        with self._counted(ask):
            parts = cast("Any", self.storage.read(caller_of(ask, sent.power), reading))
            async with aclosing(parts):
                opened: Opened = await anext(parts)
                head = {
                    "info": msgspec.Raw(api_json(opened.object)), "start": opened.start, "end": opened.end
                }  # fmt: skip
                if opened.end - opened.start <= MAX_WHOLE_BYTES:
                    await ask.reply(b"".join([piece.data async for piece in parts]), head)
                    return
                ask.begin(head)
                piece: Piece
                async for piece in parts:
                    await ask.send(piece.data)
                ask.end()

    async def head(self, ask: Ask) -> None:
        sent = read(ask.args, FileAddress)
        parts = cast("Any", self.storage.read(caller_of(ask, sent.power), Reading(sent.place, head=True)))
        async with aclosing(parts):
            opened: Opened = await anext(parts)
        await ask.reply(api_json(opened.object))

    async def list_page(self, ask: Ask) -> None:
        sent = read(ask.args, FileListing)
        listing = Listing(sent.prefix, sent.delimiter, sent.limit, sent.cursor)
        await ask.reply(api_json(await self.storage.objects(caller_of(ask, sent.power), sent.bucket, listing)))

    async def delete(self, ask: Ask) -> None:
        sent = read(ask.args, FileAddress)
        await self.storage.delete_object(caller_of(ask, sent.power), sent.place, sent.conditions)
        await ask.reply(b"")

    async def delete_many(self, ask: Ask) -> None:
        sent = read(ask.args, FileAddress)
        keys = read(await ask.body(MAX_KEYS_BYTES), tuple[str, ...])
        await ask.reply(api_json(await self.storage.delete_objects(caller_of(ask, sent.power), sent.bucket, keys)))

    async def copy(self, ask: Ask) -> None:
        await self._copied(ask, moves=False)

    async def move(self, ask: Ask) -> None:
        await self._copied(ask, moves=True)

    async def sign(self, ask: Ask) -> None:
        sent = read(ask.args, FileLink)
        await ask.reply(api_json(await self.storage.sign(caller_of(ask, sent.power), sent.link)))

    async def _copied(self, ask: Ask, moves: bool) -> None:
        sent = read(ask.args, FileCopy)
        written = await self.storage.copy_object(caller_of(ask, sent.power), sent.copying, moves)
        await ask.reply(api_json(written.object))

    @contextmanager
    def _counted(self, ask: Ask) -> Iterator[None]:
        """Count a transfer. Raises: FilesOverloaded."""
        project = ask.deployment.project
        if self.transfers.total() >= MAX_TRANSFERS:
            raise FilesOverloaded("The functions on this server transfer too many files at the moment. Try again soon.")
        if self.transfers[project] >= MAX_TRANSFERS_PER_PROJECT:
            raise FilesOverloaded(
                f"The functions of a project transfer at most {MAX_TRANSFERS_PER_PROJECT} files at the same time. "
                "Read or cancel the streams of opened files first."
            )
        self.transfers[project] += 1
        try:
            yield
        finally:
            self.transfers[project] -= 1
            if not self.transfers[project]:
                del self.transfers[project]

    async def _begun(self, caller: Caller, place: Place, new: NewObject) -> str:
        """Begin an upload. If the call ends meanwhile, end the upload as soon as it has begun.

        Symptom otherwise: the id was lost with the answer, and the upload kept its place for two minutes.
        """
        beginning = self._task(self.storage.begin_upload(caller, place, new))
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            beginning.add_done_callback(partial(self._abort_begun, caller))
            raise

    def _abort_begun(self, caller: Caller, beginning: asyncio.Task[str]) -> None:
        if not beginning.cancelled() and beginning.exception() is None:
            self._abort(caller, beginning.result())

    def _abort(self, caller: Caller, upload: str) -> None:
        self._task(self._aborted(caller, upload))

    def _task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start work that goes on after the call. It has a context of its own, because the deadline of the call may
        pass.
        """
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self.aside.add(task)
        task.add_done_callback(self.aside.discard)
        return task

    async def _aborted(self, caller: Caller, upload: str) -> None:
        try:
            await self.storage.abort_upload(caller, upload)
        except Problem as problem:  # Storage ends an upload that gets no data
            log.warning("an upload of a function could not be ended", project=caller.project, reason=problem.detail)


METHODS: Final[dict[str, Callable[[Files, Ask], Awaitable[None]]]] = {
    "files.put": Files.put,
    "files.get": Files.get,
    "files.head": Files.head,
    "files.list": Files.list_page,
    "files.delete": Files.delete,
    "files.deleteMany": Files.delete_many,
    "files.copy": Files.copy,
    "files.move": Files.move,
    "files.sign": Files.sign,
}
