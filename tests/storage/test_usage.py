"""The size of files over time and the downloaded bytes are counted once, for the bill."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import cast

from bunbase.contracts.functions.service import Functions
from bunbase.contracts.storage import NewBucket, Place, Reading
from bunbase.pkg.usage.batches import Batch, Receipt
from bunbase.pkg.usage.dimensions import Dimension
from bunbase.storage.usage import FileMeter
from tests.fakes import FakeKms
from tests.rooms import secret_caller
from tests.storage.room import SECRET, opened_storage, put, read

OTHER = secret_caller("prj_b")


class Ledger:
    def __init__(self) -> None:
        self.amounts: dict[tuple[str, Dimension], int] = {}

    async def add_file_usage(self, batch: Batch[None], sent: datetime) -> Receipt:
        for one in batch.amounts:
            key = one.project, Dimension(one.dimension)
            self.amounts[key] = self.amounts.get(key, 0) + one.amount
        return Receipt(sent, True)


async def test_bytes_count_for_the_hours_for_which_they_are_stored(tmp_path: Path) -> None:
    ledger, now = Ledger(), [0.0]
    async with opened_storage(tmp_path, FakeKms(), functions=ledger) as storage:
        meter = FileMeter(storage.holdings, cast("Functions", ledger))
        meter.monotonic = lambda: now[0]
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        await storage.create_bucket(OTHER, NewBucket(name="files"))
        await put(storage, "a", bytes(3000))
        for _ in range(2):  # closing a file writes its log into it, so that it is read again once
            await meter.sample()
            await storage.holdings.files.close()
        for _ in range(6):  # an hour with 3000 bytes, in which no file is opened
            now[0] += 600
            await meter.sample()
        assert not storage.holdings.files.files
        await put(storage, "a", bytes(1000))
        await meter.sample()
        now[0] += 7200
        await meter.sample()
        await meter.writer.flush()

    assert ledger.amounts == {("prj_a", Dimension.FILE_BYTE_HOURS): 3000 + 2 * 1000}


async def test_only_bytes_that_a_caller_downloads_count(tmp_path: Path) -> None:
    ledger = Ledger()
    async with opened_storage(tmp_path, FakeKms(), functions=ledger) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        await put(storage, "a", bytes(700_000))
        await read(storage, "a")
        ranged = Reading(Place("files", "a"), range="bytes=0-9")
        assert [part async for part in storage.read(SECRET, ranged)]
        assert [part async for part in storage.read(SECRET, Reading(Place("files", "a"), head=True))]

    assert ledger.amounts == {("prj_a", Dimension.EGRESS_BYTES): 700_010}
