"""An object as callers see it: the part of the contract of Storage that other parts refer to."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

Milliseconds = Annotated[datetime, msgspec.Meta(tz=True)]


class StoredObject(msgspec.Struct, frozen=True):
    """An object without its bytes. `etag`: the MD5 of the bytes in hexadecimal digits; for an object that was uploaded
    in parts, the MD5 of the MD5s of the parts, and the number of parts after a hyphen. `owner`: the id of the user who
    created the object; null if a server or member did.
    """

    key: str
    bucket: str
    size: int
    etag: str
    content_type: str
    cache_control: str
    metadata: dict[str, str]
    owner: str | None
    created_at: Milliseconds
    updated_at: Milliseconds
