"""The bodies of events: members of a JSON object, without braces. Documents are already bytes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec

from bunbase.bundoc.live.window import HeldRow


def snapshot(rows: Sequence[HeldRow], count: int | None) -> bytes:
    return b'"docs":[' + b",".join([row.body for row in rows]) + b"]" + _counted(count)


def changed(gone: Sequence[str], put: Sequence[tuple[int, HeldRow]], count: int | None) -> bytes:
    """Return the members of a diff. `count`: the new count; None if the count has not changed."""
    parts = []
    if gone:
        parts.append(b'"gone":' + msgspec.json.encode(gone))
    if put:
        parts.append(b'"put":[' + _indexed(put) + b"]")
    return (b",".join(parts) + _counted(count)).lstrip(b",")


def resumed(rows: Sequence[HeldRow], have: Collection[str], touched: Callable[[str], bool], count: int | None) -> bytes:
    """Return the members of an event that brings a client with the documents `have` up to date.

    `touched(id)`: True if the document may have changed since then.
    """
    there, held = {row.id for row in rows}, set(have)
    gone = [id for id in have if id not in there]
    put = [(index, row) for index, row in enumerate(rows) if row.id not in held or touched(row.id)]
    return b'"resumed":true,"gone":' + msgspec.json.encode(gone) + b',"put":[' + _indexed(put) + b"]" + _counted(count)


def _indexed(put: Sequence[tuple[int, HeldRow]]) -> bytes:
    return b",".join([b"[%d,%b]" % (index, row.body) for index, row in put])


def _counted(count: int | None) -> bytes:
    return b"" if count is None else b',"n":%d' % count
