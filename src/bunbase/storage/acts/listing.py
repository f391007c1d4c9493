"""Pages of objects. For callers bound by rules, the list rule is a filter: a page has only what they may see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from typing import Final

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.storage import MAX_KEY_BYTES, Listing, ObjectPage, StorageBusy
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.shares import Turns
from bunbase.storage.acts.access import Access
from bunbase.storage.cursors import opened_cursor, sealed_cursor
from bunbase.storage.holdings import Holdings, described
from bunbase.storage.store.listing import Everything, PageRequest, Visible, after_all, read_page

RULED_BUDGET: Final = 10_000  # objects that a page examines for a caller bound by rules
MAX_DELIMITER: Final = 32
WAIT_SECONDS: Final = 10.0  # the time that a page with a rule waits for its turn
MAX_WAITING: Final = 64  # pages of one project that wait for their turn


class ListActs:
    def __init__(self, holdings: Holdings) -> None:
        self.holdings = holdings
        self.access = Access(holdings)
        self.turns = Turns(max(1, holdings.settings.threads // 2))

    async def objects(self, caller: Caller, name: str, listing: Listing) -> ObjectPage:
        ruled = self.access.is_ruled(caller, Act.OBJECT_READ)
        prefix, delimiter = _bytes("prefix", listing.prefix), _bytes("delimiter", listing.delimiter)
        if len(delimiter) > MAX_DELIMITER:
            raise InvalidInput.at("delimiter", f"A delimiter has at most {MAX_DELIMITER} bytes.")
        query = f"objects\n{name}\n{listing.prefix}\n{listing.delimiter}"
        async with self.holdings.bucket_of(caller.project, name) as (file, bucket):
            start = opened_cursor(file.roots, caller.project, query, listing.cursor)
            if listing.cursor is None and listing.after:
                start = _after(_bytes("after", listing.after), prefix, delimiter)
            visible: Visible = self.holdings.deciding.visible(caller, bucket) if ruled else Everything()
            budget = RULED_BUDGET if ruled else 1 << 60
            asked = PageRequest(bucket.id, prefix, delimiter, start, listing.limit, budget)
            async with self._turn(caller.project) if ruled else nullcontext():
                page = await file.read(lambda connection: read_page(connection, asked, visible))
            next = None if page.next is None else sealed_cursor(file.root, caller.project, query, page.next)
        items = tuple([described(row, bucket.name) for row in page.objects])
        return ObjectPage(items, tuple([group.decode() for group in page.groups]), next)

    @asynccontextmanager
    async def _turn(self, project: str) -> AsyncIterator[None]:
        """Wait for the turn of a page whose rule runs in a thread. Such pages take at most half of the threads, and
        projects take turns: all other work needs the threads, too. Raises: StorageBusy.
        """
        if len(self.turns.waiting.get(project, ())) >= MAX_WAITING:
            raise _busy()
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await stack.enter_async_context(self.turns.turn(project))
            except TimeoutError:
                raise _busy() from None
            yield


def _after(key: bytes, prefix: bytes, delimiter: bytes) -> bytes:
    """Return the start of a list that begins after a key, or after a whole group."""
    found = key.find(delimiter, len(prefix)) if delimiter and key.startswith(prefix) else -1
    is_group = found >= 0 and found + len(delimiter) == len(key)
    return after_all(key) if is_group else key + b"\0"


def _busy() -> StorageBusy:
    return StorageBusy("Too many lists are read in this project; try again.", retry_after_seconds=1)


def _bytes(name: str, text: str) -> bytes:
    """Raises: InvalidInput."""
    try:
        found = text.encode()
    except UnicodeEncodeError:
        raise InvalidInput.at(name, "Send text in UTF-8.") from None
    if len(found) > MAX_KEY_BYTES or b"\0" in found:
        raise InvalidInput.at(name, f"It has at most {MAX_KEY_BYTES} bytes of UTF-8, and no NUL.")
    return found
