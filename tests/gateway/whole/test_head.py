"""After a HEAD of an answer that would stream, the stream ends, and the connection serves the next request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bunbase.pkg.ndjson import ExportPart
from tests.gateway.lanes import KEY, served
from tests.pkg.waiting import eventually


class Endless:
    """A Bundoc whose export never ends. `open` counts the exports that are in progress."""

    def __init__(self) -> None:
        self.open = self.begun = 0

    async def export_documents(self, *_: Any) -> AsyncIterator[ExportPart]:
        self.begun += 1
        self.open += 1
        try:
            while True:
                yield ExportPart(b'{"_id":"a"}\n')
        finally:
            self.open -= 1


async def test_head_of_an_endless_export_ends_it_and_the_next_request_is_answered(tmp_path: Path) -> None:
    """The streams of BunBase itself end in the same way as those of functions."""
    bundoc = Endless()
    async with served(tmp_path, bundoc=bundoc) as lane, lane.connected() as connection:
        for _ in range(2):
            head = await connection.ask("HEAD /v1/export?collection=posts", KEY)

            assert (head.status, head.header("content-type")) == (200, "application/x-ndjson")
        assert (await connection.ask("GET /api/health")).status == 200
        await eventually(lambda: bundoc.open == 0)
    assert bundoc.begun == 2
