"""Make signed links."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.storage import NewLink, SignedLink
from bunbase.pkg.errors import InvalidInput
from bunbase.storage.holdings import Holdings, checked_key, maker_of
from bunbase.storage.links import Grant, signed
from bunbase.storage.serving.media_types import UNKNOWN, valid_type

OBJECTS = "/v1/storage/objects"


class LinkActs:
    def __init__(self, holdings: Holdings) -> None:
        self.holdings = holdings

    async def sign(self, caller: Caller, link: NewLink) -> SignedLink:
        caller.check(Act.OBJECT_SIGN)
        checked_key(link.key)
        if link.method == "PUT":
            caller.check(Act.OBJECT_WRITE)
        elif link.content_type is not None or link.max_bytes is not None:
            raise InvalidInput.at("/method", "content_type and max_bytes are only for links with the method PUT.")
        content_type = valid_type(link.content_type) if link.content_type else ""
        if content_type == UNKNOWN and link.content_type != UNKNOWN:
            raise InvalidInput.at("/content_type", "This is not a type such as image/png.")
        until = int(self.holdings.clock.now().timestamp()) + link.expires_in
        async with self.holdings.bucket_of(caller.project, link.bucket) as (file, bucket):
            id, root = file.root
            grant = Grant(id, bucket.id, link.key, link.method, until, maker_of(caller), content_type, link.max_bytes)
            token = signed(root, caller.project, grant)
        path = f"{OBJECTS}/{link.bucket}/{quote(link.key, safe='')}?project={caller.project}&token={token}"
        return SignedLink(link.method, path, token, datetime.fromtimestamp(until, UTC))
