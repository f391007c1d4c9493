"""`bunbase data`: export and import documents as lines of JSON; a file may be larger than memory."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Final, cast

import msgspec
from cyclopts import App, Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import OK, Failure, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at, refuse
from bunbase.cli.last_line import cut_to_whole_lines
from bunbase.cli.output import Output, size_text
from bunbase.cli.session import Session, open_session
from bunbase.contracts.bundoc.backups import Imported, ImportMode, RefusedLine

SILENCE_SECONDS: Final = 120.0
# the size of one request of an import: progress is shown after each request, and a failure repeats at most one request
BLOCK_BYTES: Final = 4 << 20
MAX_ERRORS: Final = 100
SOME_FAILED: Final = 1

File = Annotated[Path, Parameter(help="An NDJSON file: one document per line. A file named *.gz is compressed.")]
Into = Annotated[
    str,
    Parameter(
        show_default=False, help="Only this collection. Default: all collections; each line names its collection."
    ),
]

app = App(name="data", help="Export and import documents as lines of JSON.")


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
    """Export documents to a file, ordered by id."""
    out = Output(flags.json)
    if file.exists() and not resume:
        raise Usage(f"{file} exists already. Delete it, or use --resume to continue the export.", "file_exists")
    if resume and _is_gzip(file):
        raise Usage("--resume works with plain files only, not with .gz.", "cannot_resume")
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
    """Import the documents of a file into the project. The exit code is 1 if a line could not be imported."""
    out = Output(flags.json)
    if from_line < 1:
        raise Usage("--from-line must be 1 or more: the first line is 1.")
    params = {"mode": mode.value} | ({"collection": collection} if collection else {})
    done = Imported(last_line=from_line - 1)
    with open_session(flags) as session, out.working(f"importing {file}") as told:
        path = at("projects", needed_project(flags.project, session), "import")
        for first, block in _blocks(file, from_line):
            try:
                done = _add_block(done, _send_block(session, path, params, block), first)
            except Failure as failure:
                last = max(first - 1, first - 1 + int(failure.document().get("last_line", 0)))
                out.warn(f"All lines up to {last} were processed. To continue: --from-line {last + 1} --mode skip")
                raise
            told(f"{done.last_line} lines")
    if flags.json:
        out.document(done)
        return SOME_FAILED if done.failed else OK
    out.facts([("imported", done.imported), ("skipped", done.skipped), ("failed", done.failed)])
    if done.errors:
        out.table(("line", "code", "detail"), [(one.line, one.code, one.detail) for one in done.errors])
    return SOME_FAILED if done.failed else OK


def _send_block(session: Session, path: str, params: dict[str, str], block: bytes) -> Imported:
    headers = {"content-type": "application/x-ndjson"}
    call = Call("POST", path, params=params, headers=headers, content=block, seconds=SILENCE_SECONDS)
    return session.ask(Imported, call)


def _blocks(file: Path, from_line: int) -> Iterator[tuple[int, bytes]]:
    """Yield blocks of complete lines, of about BLOCK_BYTES each, with the number of the first line of each."""
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


def _add_block(done: Imported, more: Imported, first: int) -> Imported:
    """Return the sum of both results. The line numbers of `more` become numbers in the whole file."""
    errors = (RefusedLine(first - 1 + one.line, one.code, one.detail) for one in more.errors)
    return Imported(
        done.imported + more.imported,
        done.skipped + more.skipped,
        done.failed + more.failed,
        first - 1 + more.last_line,
        (*done.errors, *errors)[:MAX_ERRORS],
    )


def _is_gzip(file: Path) -> bool:
    return file.suffix == ".gz"


def _open(file: Path, how: str) -> IO[bytes]:
    """Open a plain or compressed file. Raises: Usage."""
    try:
        return cast(IO[bytes], gzip.open(file, how + "b")) if _is_gzip(file) else file.open(how + "b")
    except OSError as error:
        raise Usage(f"{file} cannot be opened: {error.strerror}.", "no_file") from None
