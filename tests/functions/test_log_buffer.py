"""Lines that wait to be written: bounded, and whoever prints most cannot keep others from being heard."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bunbase.contracts.function_logs import LogLevel
from bunbase.contracts.functions import FunctionConfig
from bunbase.functions.log_buffer import MAX_BYTES, MAX_LINES, LogBuffer
from bunbase.functions.store.logs import NewLine
from bunbase.functions.workers.deployment import Deployment, Said
from bunbase.pkg.clock import ManualClock

LONG = "x" * 8000


def said(project: str, text: str) -> Said:
    return Said(Deployment(project, "f", 1, "", FunctionConfig(), 0), "", LogLevel.INFO, text)


@pytest.mark.parametrize("text", ["", LONG], ids=["many", "long"])
async def test_projects_that_flood_leave_room_for_the_lines_of_others(text: str) -> None:
    written: list[NewLine] = []

    async def write(lines: Sequence[NewLine]) -> None:
        written.extend(lines)

    async def as_they_are(lines: Sequence[NewLine]) -> Sequence[NewLine]:
        return lines

    buffer = LogBuffer(write, ManualClock(), as_they_are)

    for _ in range(MAX_LINES):
        buffer.say(said("prj_loud", text))
        buffer.say(said("prj_louder", text))
    for _ in range(100):
        buffer.say(said("prj_quiet", LONG))

    assert len(buffer.lines) < MAX_LINES
    assert buffer.bytes <= MAX_BYTES
    assert buffer.lines_of["prj_quiet"] == 100
    await buffer.flush()
    assert len([line for line in written if line.project == "prj_quiet"]) == 100
    assert (len(buffer.lines), buffer.bytes, buffer.lines_of, buffer.bytes_of) == (0, 0, {}, {})
