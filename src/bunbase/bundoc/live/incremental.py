"""Apply one change of a document to the window of a group, in the event loop, without a query."""

from __future__ import annotations

from typing import Any, Final

from bunbase.bundoc.documents import StoredDocument, with_system_fields
from bunbase.bundoc.live.asked import ParsedLive
from bunbase.bundoc.live.evaluation import Result, decode, row_from
from bunbase.bundoc.live.window import HeldRow
from bunbase.bundoc.permissions.access import Access, LoopBudget
from bunbase.pkg import effort
from bunbase.pkg.rules.inputs import Postponed, json_value

LOOP_BYTES: Final = 16 << 10  # A query in a thread evaluates documents that are larger than this.


class Image:
    """A document before or after a change.

    The document is parsed once for all groups. `large`: true if it is too large to be parsed in the event loop.
    """

    def __init__(self, stored: StoredDocument | None) -> None:
        self.stored = stored
        self.large = stored is not None and len(stored.body) > LOOP_BYTES
        self._whole: bytes | None = None
        self._fields: dict[str, Any] | None = None
        self._rule_fields: dict[str, Any] | None = None

    @property
    def whole(self) -> bytes:
        """The document with its system fields."""
        assert self.stored is not None
        if self._whole is None:
            self._whole = with_system_fields(self.stored)
        return self._whole

    @property
    def fields(self) -> dict[str, Any]:
        """The fields as filters see them; none if there is no document."""
        if self.stored is None:
            return {}
        if self._fields is None:
            effort.note(len(self.stored.body))
            self._fields = decode(self.whole)
        return self._fields

    @property
    def rule_fields(self) -> dict[str, Any]:
        """The fields as rules see them."""
        assert self.stored is not None
        if self._rule_fields is None:
            self._rule_fields = json_value(self.whole)
        return self._rule_fields


def touches(asked: ParsedLive, before: Image, after: Image) -> bool:
    """True if the change may matter to the query, or if it is expensive to decide whether it does."""
    if not asked.light or before.large or after.large:
        return True
    return any(one.stored is not None and _asked_for(asked, one) for one in (before, after))


def apply_change(asked: ParsedLive, result: Result, before: Image, after: Image) -> bool:
    """Change the window. Return True if the window has changed. Raises: Postponed if the rules take too long."""
    window, access = result.window, result.view.access
    old, new = before.stored, after.stored
    document = new or old
    assert document is not None
    was = window.count is not None and old is not None and _visible(asked, access, before)
    row: HeldRow | None = None
    if new is not None and _visible(asked, access, after):
        shown = access.shown("list" if asked.id is None else "get", _no_lookup, new) if access is not None else new
        row = row_from(asked, shown, after.fields, after.whole if shown is new else None)
    if row is None and document.id not in window.by_id and not was:
        return False
    window.change(document.id, row, (row is not None) - was)
    return True


def _visible(asked: ParsedLive, access: Access | None, image: Image) -> bool:
    assert image.stored is not None
    if not _asked_for(asked, image):
        return False
    if access is None:
        return True
    access.budget = LoopBudget()
    access.read = (image.stored, image.rule_fields)
    return access.may("list" if asked.id is None else "get", image.stored.id, _no_lookup, image.stored)


def _asked_for(asked: ParsedLive, image: Image) -> bool:
    assert image.stored is not None
    effort.note(len(image.stored.body))
    return image.stored.id == asked.id if asked.id is not None else asked.matches(image.fields)


def _no_lookup(_collection: str, _id: str) -> StoredDocument | None:
    raise Postponed  # Groups whose rules look up documents run their query again.
