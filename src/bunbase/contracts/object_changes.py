"""The changes of objects in buckets, which Storage logs and Functions follows (contracts.storage.Storage.changes)."""

from __future__ import annotations

from typing import Literal

import msgspec


class ObjectChange(msgspec.Struct, frozen=True, omit_defaults=True):
    """A change of one object. A move is a `delete` of the source, then a `create` or `update` of the target.

    `seq`: the number of the change. The numbers of a project grow, with gaps. `at`: RFC 3339. The other fields describe
    the object after the change; after a `delete`, the object that was deleted. `depth`: the number of triggered
    function runs in a row that led to the change.
    """

    seq: int
    op: Literal["create", "update", "delete"]
    bucket: str
    key: str
    size: int
    etag: str
    content_type: str
    owner: str | None
    at: str
    depth: int = 0


class ObjectChanges(msgspec.Struct, frozen=True):
    """`next`: the `since` of the next request."""

    items: tuple[ObjectChange, ...]
    next: int
