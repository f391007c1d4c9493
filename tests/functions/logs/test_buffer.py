"""The buffer of log lines that wait to be written.

The size of the buffer is limited, and one project cannot fill the buffer alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bunbase.contracts.functions.deployments import FunctionConfig
from bunbase.contracts.functions.logs import LogLevel
from bunbase.functions.logs.buffer import MAX_BYTES, MAX_LINES, LogBuffer
from bunbase.functions.service import FunctionsService
from bunbase.functions.store.logs import NewLine
from bunbase.functions.workers.deployment import Deployment, LogRecord
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Unreachable
from tests.functions.calls import deploy, log_of

LONG = "x" * 8000


def said(project: str, text: str) -> LogRecord:
    return LogRecord(Deployment(project, "f", 1, "", FunctionConfig(), 0), "", LogLevel.INFO, text)


async def as_they_are(lines: Sequence[NewLine]) -> Sequence[NewLine]:
    return lines


@pytest.mark.parametrize("text", ["", LONG], ids=["many", "long"])
async def test_projects_that_flood_the_log_buffer_leave_room_for_other_projects(text: str) -> None:
    written: list[NewLine] = []

    async def write(_writer: str, _seq: int, lines: Sequence[NewLine]) -> None:
        written.extend(lines)

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


@pytest.mark.parametrize(
    "error", [Unreachable("The answer was lost."), asyncio.CancelledError()], ids=["lost", "cancelled"]
)
async def test_log_lines_are_written_once_if_commit_succeeded_and_only_its_answer_was_lost(
    functions: FunctionsService, error: BaseException
) -> None:
    """Lines that stay in the buffer after such an error would be written twice."""
    await deploy(functions, "f", "() => 1")
    buffer = LogBuffer(functions.stores.logs.add_once, functions.log_lines.clock, as_they_are)
    write = buffer.write

    async def committed(writer: str, seq: int, lines: Sequence[NewLine]) -> None:
        await write(writer, seq, lines)
        raise error

    buffer.write = committed
    buffer.say(said("prj_one", "first"))
    with pytest.raises(type(error)):
        await buffer.flush()
    buffer.say(said("prj_one", "second"))
    buffer.write = write
    await buffer.flush()

    assert [line.text for line in await log_of(functions, "f")] == ["first", "second"]
