"""An example contract that tests call in this process and over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol

import msgspec

from bunbase.pkg import context
from bunbase.pkg.cursors import InvalidCursor
from bunbase.pkg.http1.limits import Limits
from bunbase.pkg.passwords import SignInBusy
from bunbase.pkg.rpc.admission import Table, admission
from bunbase.pkg.rpc.client import RpcConnections, remote
from bunbase.pkg.rpc.dispatch import Dispatcher, methods_of
from bunbase.pkg.rpc.room_keys import derived_keys
from bunbase.pkg.rpc.server import RpcApp
from bunbase.pkg.rpc.tokens import ServiceTokens
from bunbase.pkg.rpc.wire import calls_of, waits_for_news
from bunbase.pkg.serve import listen, serving


class Book(msgspec.Struct, frozen=True):
    title: str
    pages: int
    cover: bytes
    printed: datetime | None = None


class Library(Protocol):
    async def book(self, title: str) -> Book: ...
    async def lend(self, title: str, days: int = 14) -> str: ...
    async def shelve(self, book: Book) -> None: ...
    async def seconds_left(self) -> float: ...
    async def request_id(self) -> str: ...
    @waits_for_news
    async def wait_forever(self) -> None: ...
    async def stumble(self) -> None: ...
    def read(self, title: str, lines: int) -> AsyncIterator[str]: ...
    @waits_for_news
    def ring(self) -> AsyncIterator[int]: ...


class Shelves:
    """The implementation of Library. `listeners` counts the open endless streams."""

    def __init__(self) -> None:
        self.books: dict[str, Book] = {}
        self.listeners = 0
        self.waiting = asyncio.Event()
        self.left = asyncio.Event()

    async def book(self, title: str) -> Book:
        if title not in self.books:
            raise InvalidCursor("There is no such book.", book=title, tried=[1, {"deep": None}])
        return self.books[title]

    async def lend(self, title: str, days: int = 14) -> str:
        return f"{title} for {days} days"

    async def shelve(self, book: Book) -> None:
        self.books[book.title] = book

    async def seconds_left(self) -> float:
        return context.seconds_left(1000)

    async def request_id(self) -> str:
        return context.request_id.get()

    async def wait_forever(self) -> None:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()

    async def stumble(self) -> None:
        raise KeyError("a detail that nobody outside may see")

    async def read(self, title: str, lines: int) -> AsyncIterator[str]:
        if not title:
            raise SignInBusy("Later.", retry_after_seconds=3)
        for number in range(lines):
            if number == 3:
                raise InvalidCursor("The fourth page is missing.", page=4)
            yield f"{title} {number}"

    async def ring(self) -> AsyncIterator[int]:
        self.listeners += 1
        try:
            for number in range(10**9):
                yield number
                await asyncio.sleep(0.001)
        finally:
            self.listeners -= 1


SECRET = "a service secret for tests, and for tests only"
READER = "reader"  # This room calls the library.
BORROWER = "borrower"  # This room may call only `lend`.
VISITOR = "visitor"  # This room is not in the table of callers.


def tokens_of(secret: str, now: Callable[[], float] = time.time) -> ServiceTokens:
    return ServiceTokens(derived_keys([secret], (READER, BORROWER, VISITOR), ()), now)


TOKENS = tokens_of(SECRET)
TABLE: Table = {"library": {READER: frozenset(call.name for call in calls_of(Library)), BORROWER: frozenset({"lend"})}}


@asynccontextmanager
async def serving_library(
    shelves: Shelves, tokens: ServiceTokens = TOKENS, limits: Limits | None = None
) -> AsyncIterator[str]:
    """Yield the URL of an internal port that serves `shelves`."""
    app = RpcApp(Dispatcher(methods_of("library", Library, shelves), admission(TABLE, {})), tokens)
    async with serving(app, listen("127.0.0.1", 0), limits) as address:
        yield address


@asynccontextmanager
async def calling(address: str, tokens: ServiceTokens = TOKENS, caller: str = READER) -> AsyncIterator[Library]:
    line = RpcConnections(address, tokens)
    try:
        yield remote("library", Library, line, caller)
    finally:
        await line.close()
