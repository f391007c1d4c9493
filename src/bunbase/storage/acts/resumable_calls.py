"""The methods of the contract for resumable uploads."""

from __future__ import annotations

from bunbase.contracts.caller import Caller
from bunbase.contracts.resumable import NewChunk, NewResumable, Resumable
from bunbase.storage.acts.resumables import Resumables


class ResumableCalls:
    """Every method calls the part that does the work."""

    resumables: Resumables

    async def begin_resumable(self, caller: Caller, new: NewResumable) -> Resumable:
        return await self.resumables.begin(caller, new)

    async def resumable(self, caller: Caller, upload: str) -> Resumable:
        return await self.resumables.get(caller, upload)

    async def begin_chunk(self, caller: Caller, chunk: NewChunk) -> str:
        return await self.resumables.begin_chunk(caller, chunk)

    async def feed_chunk(self, caller: Caller, chunk: str, data: bytes) -> None:
        await self.resumables.feed(caller, chunk, data)

    async def finish_chunk(self, caller: Caller, chunk: str, whole: bool) -> Resumable:
        return await self.resumables.finish(caller, chunk, whole)

    async def end_resumable(self, caller: Caller, upload: str) -> None:
        await self.resumables.end(caller, upload)
