"""The whole of Bundoc's contract in one object."""

from __future__ import annotations

from bunbase.bundoc.backups.archive import BackupArchive
from bunbase.bundoc.backups.engine import Copies
from bunbase.bundoc.backups.service import BackupsService
from bunbase.bundoc.engine import Engine
from bunbase.bundoc.service import BundocService
from bunbase.bundoc.settings import BundocSettings
from bunbase.bundoc.transfer.service import TransferService
from bunbase.pkg.clock import Clock


class BundocRoom(BundocService, BackupsService, TransferService):
    def __init__(
        self, engine: Engine, copies: Copies, archive: BackupArchive, clock: Clock, settings: BundocSettings, dev: bool
    ) -> None:
        BundocService.__init__(self, engine, dev=dev, max_scan=settings.max_scan, clock=clock)
        BackupsService.__init__(self, copies, archive, clock, settings)
        TransferService.__init__(self, engine, self)

    async def drop_project(self, project: str) -> None:
        await self.end_backups(project)
        await BundocService.drop_project(self, project)
