"""Pages of objects. For callers bound by rules, the list rule is a filter: a page has only what they may see."""

from __future__ import annotations

from typing import Final

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.storage import MAX_KEY_BYTES, Listing, ObjectPage
from bunbase.pkg.cursors import UNCHANGED, InvalidCursor, decode_cursor, encode_cursor
from bunbase.pkg.errors import InvalidInput
from bunbase.storage.acts.access import Access
from bunbase.storage.holdings import Holdings, described
from bunbase.storage.store.listing import Page, PageRequest, Visible, read_page
from bunbase.storage.store.objects import ObjectRow

RULED_BUDGET: Final = 10_000  # objects that a page examines for a caller bound by rules
MAX_DELIMITER: Final = 32


class ListActs:
    def __init__(self, holdings: Holdings) -> None:
        self.holdings = holdings
        self.access = Access(holdings)

    async def objects(self, caller: Caller, name: str, listing: Listing) -> ObjectPage:
        ruled = self.access.is_ruled(caller, Act.OBJECT_READ)
        prefix, delimiter = _bytes("prefix", listing.prefix), _bytes("delimiter", listing.delimiter)
        if len(delimiter) > MAX_DELIMITER:
            raise InvalidInput.at("delimiter", f"A delimiter has at most {MAX_DELIMITER} bytes.")
        query = f"objects\n{name}\n{listing.prefix}\n{listing.delimiter}"
        start = _start(query, listing.cursor)
        async with self.holdings.bucket_of(caller.project, name) as (file, bucket):
            visible: Visible = self.holdings.deciding.visible(caller, bucket) if ruled else _every
            budget = RULED_BUDGET if ruled else 1 << 60
            asked = PageRequest(bucket.id, prefix, delimiter, start, listing.limit, budget)
            page = await file.read(lambda connection: read_page(connection, asked, visible))
        return _described(page, name, query)


def _every(_row: ObjectRow) -> bool:
    return True


def _bytes(name: str, text: str) -> bytes:
    """Raises: InvalidInput."""
    try:
        found = text.encode()
    except UnicodeEncodeError:
        raise InvalidInput.at(name, "Send text in UTF-8.") from None
    if len(found) > MAX_KEY_BYTES or b"\0" in found:
        raise InvalidInput.at(name, f"It has at most {MAX_KEY_BYTES} bytes of UTF-8, and no NUL.")
    return found


def _start(query: str, cursor: str | None) -> bytes:
    """Return the first key that may be on the page. Raises: InvalidCursor."""
    if not cursor:
        return b""
    try:
        return bytes.fromhex(decode_cursor(query, cursor, str))
    except ValueError:
        raise InvalidCursor(UNCHANGED) from None


def _described(page: Page, bucket: str, query: str) -> ObjectPage:
    next = None if page.next is None else encode_cursor(query, page.next.hex())
    items = tuple([described(row, bucket) for row in page.objects])
    return ObjectPage(items, tuple([group.decode() for group in page.groups]), next)
