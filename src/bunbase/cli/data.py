"""`bunbase data`: its subcommands, and the export and import of files that may be larger than memory."""

from __future__ import annotations

import codecs
import gzip
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Annotated, Final, cast

import msgspec
from cyclopts import App, Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.data_reading import get, query
from bunbase.cli.data_shell import shell
from bunbase.cli.data_watching import watch
from bunbase.cli.data_writing import create, delete, patch, put
from bunbase.cli.errors import OK, Failure, Usage, in_commands
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at, refuse
from bunbase.cli.last_line import cut_to_whole_lines
from bunbase.cli.output import Output, size_text
from bunbase.cli.session import Session, open_session
from bunbase.contracts.bundoc.backups import Imported, ImportMode
from bunbase.pkg.ndjson import RefusedLine

SILENCE_SECONDS: Final = 120.0
# one request of an import has about this size: the command shows the progress after each request, and after a failure
# it repeats at most one request
BLOCK_BYTES: Final = 4 << 20
STDOUT: Final = Path("-")
MAX_ERRORS: Final = 100
SOME_FAILED: Final = 1
NAME: Final = re.compile(r"[\w-]*\d[\w-]*")
SHOWN_LINES: Final = 3
EXISTS: Final = frozenset({"document_exists"})

File = Annotated[Path, Parameter(help="An NDJSON file: one document per line. A file named *.gz is compressed.")]
Into = Annotated[
    str,
    Parameter(
        show_default=False, help="Only this collection. Default: all collections; each line names its collection."
    ),
]

app = App(name="data", help="Read, watch, write, export and import documents.")
for read_or_write in (get, query, watch, create, put, patch, delete, shell):
    app.command(read_or_write)


class Exported(msgspec.Struct, frozen=True):
    file: str
    bytes: int


@app.command(name="export")
def export_data(
    file: File,
    /,
    *,
    collection: Into = "",
    resume: Annotated[
        bool, Parameter(negative="", show_default=False, help="Continue after the last complete line of the file.")
    ] = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Export documents to a file, ordered by id. The file - is standard output.

    Example: bunbase data export shop.ndjson.gz
    """
    out = Output(flags.json)
    if file == STDOUT:
        _to_stdout(collection, resume, flags)
        return
    if file.exists() and not resume:
        way = "name another file" if _is_gzip(file) else "use --resume to continue the export"
        raise Usage(f"{file} exists already. Delete it, or {way}.", "file_exists")
    if resume and _is_gzip(file):
        raise Usage(
            f"{file} is compressed, and only a plain file can be continued: export again to another file, without "
            "--resume.",
            "cannot_resume",
        )
    after = cut_to_whole_lines(file) if resume and file.exists() else ""
    params = {"after": after} | ({"collection": collection} if collection else {})
    with open_session(flags) as session, out.working(f"exporting to {file}") as told:
        path = at("projects", needed_project(flags.project, session), "export")
        reply = session.send(Call("GET", path, params=params, seconds=SILENCE_SECONDS), stream=True)
        refuse(reply)
        written = 0
        with _open(file, "a" if resume else "x") as target, session.http.parts(reply) as parts:
            for part in parts:
                target.write(part)
                written += len(part)
                told(size_text(written))
    if flags.json:
        out.document(Exported(str(file), written))
    out.done(f"Exported {size_text(written)} to {file}.")


def _to_stdout(collection: str, resume: bool, flags: ProjectFlags) -> None:
    """Write the documents to standard output. Raises: Usage, if another flag needs a file."""
    if resume or flags.json:
        raise Usage("Standard output (-) cannot be used with --resume or --json: name a file.")
    with open_session(flags) as session:
        path = at("projects", needed_project(flags.project, session), "export")
        params = {"collection": collection} if collection else {}
        reply = session.send(Call("GET", path, params=params, seconds=SILENCE_SECONDS), stream=True)
        refuse(reply)
        with session.http.parts(reply) as parts:
            for part in parts:
                sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


@app.command(name="import")
def import_data(
    file: File,
    /,
    *,
    collection: Into = "",
    mode: Annotated[ImportMode, Parameter(help="How to treat a document whose id exists already.")] = ImportMode.CREATE,
    from_line: Annotated[
        int, Parameter(show_default=False, help="The number of the line to start at. Default: 1, the first line.")
    ] = 1,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> int:
    """Import the documents of a file into the project. The exit code is 1 if a line could not be imported.

    Example: bunbase data import posts.ndjson --collection posts
    """
    out = Output(flags.json)
    if from_line < 1:
        raise Usage("--from-line must be 1 or more: the first line is 1.")
    params = {"mode": mode.value} | ({"collection": collection} if collection else {})
    done = Imported(last_line=from_line - 1)
    with open_session(flags) as session, out.working(f"importing {file}") as told:
        path = at("projects", needed_project(flags.project, session), "import")
        for first, block in _blocks(file, from_line):
            try:
                done = _sum(done, _send_block(session, path, params, block), range(first, sys.maxsize))
            except Failure as failure:
                last = max(first - 1, first - 1 + int(failure.document().get("last_line", 0)))
                again = min((last + 1, *done.unresolved))
                out.warn(f"All lines up to {last} were processed. To continue: --from-line {again} --mode skip")
                raise
            told(f"{done.last_line} lines")
        done = _resolved(done, file, lambda block: _send_block(session, path, params, block))
    if flags.json:
        out.document(done)
        return SOME_FAILED if done.failed else OK
    out.facts([("imported", done.imported), ("skipped", done.skipped), ("failed", done.failed)])
    if done.errors:
        out.table(("lines", "code", "detail"), _grouped(done.errors))
    if any(one.code in EXISTS for one in done.errors) and mode is ImportMode.CREATE:
        out.hint("To keep the documents that exist: --mode skip. To replace them: --mode replace")
    return SOME_FAILED if done.failed else OK


def _send_block(session: Session, path: str, params: dict[str, str], block: bytes) -> Imported:
    headers = {"content-type": "application/x-ndjson"}
    call = Call("POST", path, params=params, headers=headers, content=block, seconds=SILENCE_SECONDS)
    return session.ask(Imported, call)


def _blocks(file: Path, from_line: int) -> Iterator[tuple[int, bytes]]:
    """Yield blocks of complete lines, each about BLOCK_BYTES long, and the number of each block's first line."""
    first, lines, size = from_line, list[bytes](), 0
    for number, line in _numbered(file):
        if number < from_line:
            continue
        lines.append(line)
        size += len(line)
        if size >= BLOCK_BYTES:
            yield first, b"".join(lines)
            first, lines, size = number + 1, [], 0
    if lines:
        yield first, b"".join(lines)


def _numbered(file: Path) -> Iterator[tuple[int, bytes]]:
    with _open(file, "r") as source:
        try:
            for number, line in enumerate(source, 1):
                yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        except (OSError, EOFError, zlib.error) as error:
            raise Failure("unreadable_file", f"{file} cannot be read to its end: {error}.") from None


def _resolved(done: Imported, file: Path, send: Callable[[bytes], Imported]) -> Imported:
    """Send lines again that refer to documents of later blocks. Repeat this while it imports at least one line."""
    while done.unresolved:
        waiting = set(done.unresolved)
        kept = tuple(error for error in done.errors if error.line not in waiting)
        done = Imported(done.imported, done.skipped, done.failed - len(waiting), done.last_line, kept, seq=done.seq)
        numbers, lines, size = list[int](), list[bytes](), 0
        for number, line in _numbered(file):
            if number in waiting:
                numbers.append(number)
                lines.append(line)
                size += len(line)
            if numbers and (size >= BLOCK_BYTES or number == max(waiting)):
                done = _sum(done, send(b"".join(lines)), numbers)
                numbers, lines, size = [], [], 0
        if len(done.unresolved) == len(waiting):
            break
    return done


def _sum(done: Imported, more: Imported, numbers: Sequence[int]) -> Imported:
    """Return the sum of both results. `numbers`: for each line of `more`, its number in the whole file."""

    def in_file(line: int) -> int:
        return numbers[line - 1]

    errors = (RefusedLine(in_file(one.line), one.code, one.detail) for one in more.errors)
    return Imported(
        done.imported + more.imported,
        done.skipped + more.skipped,
        done.failed + more.failed,
        max(done.last_line, in_file(more.last_line)) if more.last_line else done.last_line,
        (*done.errors, *errors)[:MAX_ERRORS],
        (*done.unresolved, *map(in_file, more.unresolved)),
        more.seq or done.seq,
    )


def _grouped(errors: Sequence[RefusedLine]) -> list[tuple[str, str, str]]:
    """Return a row for each error. Errors that differ only in names with digits, such as ids, get only a few rows."""
    groups: dict[tuple[str, str], list[RefusedLine]] = {}
    for one in errors:
        told = RefusedLine(one.line, one.code, in_commands(one.detail))
        groups.setdefault((one.code, NAME.sub("", told.detail)), []).append(told)
    return [row for alike in groups.values() for row in _rows(alike)]


def _rows(alike: Sequence[RefusedLine]) -> list[tuple[str, str, str]]:
    if len({one.detail for one in alike}) == 1:
        return [(_lines_text(alike), alike[0].code, alike[0].detail)]
    rows = [(str(one.line), one.code, one.detail) for one in alike[:SHOWN_LINES]]
    left = len(alike) - SHOWN_LINES
    return [*rows, (f"{left} more", alike[0].code, "The same, with other names.")] if left > 0 else rows


def _lines_text(alike: Sequence[RefusedLine]) -> str:
    shown = ", ".join(str(one.line) for one in alike[:SHOWN_LINES])
    return shown if len(alike) <= SHOWN_LINES else f"{shown} and {len(alike) - SHOWN_LINES} more"


def _is_gzip(file: Path) -> bool:
    return file.suffix == ".gz"


def _open(file: Path, how: str) -> IO[bytes]:
    """Open a plain or compressed file. Raises: Usage."""
    try:
        return cast(IO[bytes], gzip.open(file, how + "b")) if _is_gzip(file) else file.open(how + "b")
    except OSError as error:
        raise Usage(f"{file} cannot be opened: {error.strerror}.", "no_file") from None
