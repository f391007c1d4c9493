"""The usage of files in the ledger of Functions, which shows the usage of a project. A part of Functions' contract."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from bunbase.pkg.usage.batches import Batch, Receipt


class FileUsage(Protocol):
    async def add_file_usage(self, batch: Batch[None], sent: datetime) -> Receipt:
        """Add the counts of Storage, each batch once. `sent`: the time of the call on the clock of Storage."""
        ...
