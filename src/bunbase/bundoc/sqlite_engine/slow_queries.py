"""The metrics of each query (examined documents, seconds), and a line in the log for a slow query."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from bunbase.bundoc.query.search import Search
from bunbase.bundoc.query.shape import shape
from bunbase.pkg import metrics
from bunbase.pkg.logger import logger
from bunbase.pkg.sealed_sqlite.scanners import Scan

log = logger("bundoc")


@contextmanager
def watched(scan: Scan, slow_seconds: float, project: str, collection: str, search: Search) -> Iterator[Scan]:
    """Yield the scan for the query. Queries that fail or are stopped are measured too."""
    started = time.monotonic()
    try:
        yield scan
    finally:
        seconds = time.monotonic() - started
        metrics.bundoc_scan_seconds.observe(seconds)
        metrics.bundoc_scan_documents.observe(scan.examined)
        if seconds >= slow_seconds:
            log.warning(
                "a slow query",
                project=project,
                collection=collection,
                filter=shape(search.where),
                sort=[str(field) for field in search.order.fields],
                index=scan.index,
                examined=scan.examined,
                duration_ms=round(seconds * 1000, 2),
            )
