"""Write documents whose bodies are already in the stored form, for imports."""

from __future__ import annotations

from bunbase.bundoc.counted import counted
from bunbase.bundoc.permissions.access import check_access
from bunbase.bundoc.service.rights import CallerRights
from bunbase.bundoc.service.writes import WriteService, receipt
from bunbase.bundoc.writes import CommitStep, Create, Put
from bunbase.contracts.bundoc.documents import Document
from bunbase.contracts.caller import Act, Caller


class StoredWrites:
    """Writes documents of imports. Each method returns the `seq` of the write."""

    def __init__(self, rights: CallerRights, writes: WriteService) -> None:
        self.rights = rights
        self.writes = writes

    async def write_stored(self, caller: Caller, collection: str, write: Create | Put) -> str:
        """Write a document whose body is already in the stored form. Return the `seq` of the write."""
        with counted("create" if isinstance(write, Create) else "put"):
            check_access(caller, Act.DOCUMENT_WRITE, collection)
            await self.rights.check_created(caller, collection)
            return _seq(await self.writes.written(caller, collection, write))

    async def commit_stored(self, caller: Caller, steps: tuple[CommitStep, ...]) -> str:
        """Do the writes of a server, whose bodies are already in the stored form. Return the `seq` of the commit."""
        with counted("commit"):
            for collection in {step.collection for step in steps}:
                check_access(caller, Act.DOCUMENT_WRITE, collection)
                await self.rights.check_created(caller, collection)
            return receipt(await self.writes.committed(caller, steps, None)).seq


def _seq(document: Document) -> str:
    assert document.written is not None  # Only a document that was read has no `seq`.
    return document.written.seq
