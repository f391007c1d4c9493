from __future__ import annotations

from bunbase.contracts.tenant_auth.transfers import MAX_IMPORT_LINES, MAX_LISTED_ERRORS, ImportedUsers
from bunbase.pkg.ndjson import ImportLine, RefusedLine
from bunbase.tenant_auth.import_batches import LIMITS, MAX_LINE_BYTES, ImportingUsers

MIB = b"x" * (1 << 20)


class Room:
    """A room that refuses every line, and keeps only the sizes of the batches."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []

    async def send(self, lines: tuple[ImportLine, ...]) -> ImportedUsers:
        self.batches.append((len(lines), sum(len(line.text) for line in lines)))
        errors = tuple(RefusedLine(line.number, "invalid_input", "no") for line in lines)
        return ImportedUsers(failed=len(lines), last_line=lines[-1].number, errors=errors)


async def test_100_000_lines_need_the_memory_of_one_batch_and_list_a_thousand_errors() -> None:
    room, piece = Room(), b'{"id":"x"}\n' * 1000
    importing = ImportingUsers(room.send)

    for _ in range(100):
        await importing.feed(piece)
        assert len(importing.batches.batch) < MAX_IMPORT_LINES
        assert len(importing.done.errors) <= MAX_LISTED_ERRORS
    done = await importing.end()

    assert (done.failed, done.last_line, len(done.errors)) == (100_000, 100_000, MAX_LISTED_ERRORS)
    assert {lines for lines, _ in room.batches} == {MAX_IMPORT_LINES}


async def test_a_huge_line_is_dropped_while_it_arrives() -> None:
    room = Room()
    importing = ImportingUsers(room.send)
    await importing.feed(b'{"id":"a"}\n')

    for _ in range(64):
        await importing.feed(MIB)
        assert len(importing.batches.lines.rest) <= MAX_LINE_BYTES
    await importing.feed(b'\n\n{"id":"b"}')
    done = await importing.end()

    assert [(one.line, one.code) for one in done.errors] == [
        *((1, "invalid_input"), (2, "payload_too_large"), (4, "invalid_input")),
    ]
    assert (done.failed, done.last_line) == (3, 4)


async def test_a_batch_of_large_lines_is_small_and_an_import_continues_at_a_line() -> None:
    room, line = Room(), b"y" * MAX_LINE_BYTES + b"\n"
    importing = ImportingUsers(room.send, from_line=3)

    for _ in range(40):
        await importing.feed(line)
    await importing.end()

    assert sum(lines for lines, _ in room.batches) == 38
    assert max(size for _, size in room.batches) <= LIMITS.bytes + MAX_LINE_BYTES
