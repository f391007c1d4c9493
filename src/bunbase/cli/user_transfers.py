"""`bunbase users import` and `export`: import users from other systems with their passwords, and export users."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Annotated, Final

import msgspec
from cyclopts import Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.data import Exported
from bunbase.cli.errors import OK, Failure, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, refuse
from bunbase.cli.output import Output, size_text
from bunbase.cli.session import Session, open_session
from bunbase.contracts.tenant_auth.transfers import MAX_LISTED_ERRORS, ImportedUsers, OnConflict
from bunbase.pkg.ndjson import NDJSON, RefusedLine
from bunbase.pkg.user_imports.firebase import HashConfig, read_config
from bunbase.pkg.user_imports.lines import CannotRead
from bunbase.pkg.user_imports.systems import Options, System, read_users

SILENCE_SECONDS: Final = 120.0
# a block has at most as many lines as an answer lists errors, so that the answer names every refused line
BLOCK_LINES: Final = MAX_LISTED_ERRORS
BLOCK_BYTES: Final = 4 << 20
SHOWN_ERRORS: Final = 20
SOME_FAILED: Final = 1
UNREADABLE: Final = "unreadable_record"

Lines = list[tuple[int, bytes]]  # each line for the server, with the number of its user in the file


def import_users(
    file: Annotated[Path, Parameter(help="The file with the users.")],
    /,
    *,
    system: Annotated[System, Parameter(name="--from", help="The system that wrote the file.")] = System.BUNBASE,
    hash_config: Annotated[
        Path | None, Parameter(show_default=False, help="Firebase: a file with the hash parameters of the project.")
    ] = None,
    identities: Annotated[
        Path | None, Parameter(show_default=False, help="Supabase: a second file, with the rows of auth.identities.")
    ] = None,
    collection: Annotated[str, Parameter(help="PocketBase: the auth collection with the users.")] = "users",
    on_conflict: Annotated[
        OnConflict, Parameter(help="How to treat a user that the project has already.")
    ] = OnConflict.SKIP,
    dry_run: Annotated[
        bool, Parameter(negative="", show_default=False, help="Check the users; write nothing.")
    ] = False,
    refused: Annotated[
        Path | None,
        Parameter(
            show_default=False,
            help="A new file for the lines that are refused. Default: FILE.refused.ndjson. A dry run writes no file.",
        ),
    ] = None,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> int:
    """Import users with the hashes of their passwords. The exit code is 1 if a user could not be imported.

    If you import the same file again, no user is added twice.
    """
    out = Output(flags.json)
    options = Options(None if hash_config is None else _config(hash_config), identities, collection)
    params = {"on_conflict": on_conflict.value} | ({"dry_run": "true"} if dry_run else {})
    keeping = None if dry_run else _Refused(refused or file.with_name(f"{file.name}.refused.ndjson"))
    done = ImportedUsers()
    with open_session(flags) as session, out.working(f"importing {file}") as told:
        headers = {"x-bunbase-project": needed_project(flags.project, session)}
        try:
            for block, unreadable in _blocks(file, system, options):
                answer = _sent(session, headers, params, block) if block else ImportedUsers()
                done = _summed(done, answer, block, unreadable)
                if keeping:
                    keeping.keep(block, answer)
                told(f"{done.imported + done.updated + done.skipped + done.failed} users")
        except BaseException:
            if done.last_line and not dry_run:
                out.warn(_stopped(done))
            raise
    _show(out, done, keeping, dry_run)
    return SOME_FAILED if done.failed else OK


def export_users(
    file: Annotated[
        Path | None, Parameter(show_default=False, help="A new NDJSON file. Default: standard output.")
    ] = None,
    /,
    *,
    hashes: Annotated[
        bool, Parameter(negative="", show_default=False, help="With the hashes of the passwords. Needs the role admin.")
    ] = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Export all users, ordered by id, in the form that `bunbase users import` reads."""
    out = Output(flags.json)
    if file is not None and file.exists():
        raise Usage(f"{file} exists already. Delete it, or choose another name.", "file_exists")
    if file is None and flags.json:
        raise Usage("Standard output cannot be used with --json: name a file.")
    written = 0
    with open_session(flags) as session:
        headers = {"x-bunbase-project": needed_project(flags.project, session)}
        params = {"hashes": "true"} if hashes else {}
        call = Call("GET", "/v1/auth/users/export", params=params, headers=headers, seconds=SILENCE_SECONDS)
        reply = session.send(call, stream=True)
        refuse(reply)
        with session.http.parts(reply) as parts, _target(file) as target:
            for part in parts:
                target.write(part)
                written += len(part)
            target.flush()
    if flags.json:
        out.document(Exported(str(file), written))
    if file is not None:
        out.done(f"Exported {size_text(written)} to {file}.")


class _Refused:
    """The file of the refused lines, in the format of an import. The first refused line creates the file."""

    def __init__(self, path: Path) -> None:
        """Raises: Usage if the file exists, or cannot be created.

        This check prevents a failure in the middle of an import.
        """
        self.path = path
        self.count = 0
        if path.exists():
            raise Usage(f"{path} exists already. Delete it, or name another file with --refused.", "file_exists")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise Usage(f"{path} cannot be written. Name another file with --refused.", "no_file")

    def keep(self, block: Lines, answer: ImportedUsers) -> None:
        lines = [block[error.line - 1][1] for error in answer.errors]
        if not lines:
            return
        with _private(self.path, "ab") as target:
            target.writelines(line + b"\n" for line in lines)
        self.count += len(lines)


def _blocks(file: Path, system: System, options: Options) -> Iterator[tuple[Lines, list[RefusedLine]]]:
    """Yield the users of a file in blocks. Each block also has the records that cannot be read. Raises: Failure."""
    block: Lines = []
    unreadable: list[RefusedLine] = []
    size = 0
    for number, line in _numbered(file, system, options):
        if isinstance(line, CannotRead):
            unreadable.append(RefusedLine(number, UNREADABLE, str(line)))
        else:
            block.append((number, line))
            size += len(line)
        if len(block) == BLOCK_LINES or size >= BLOCK_BYTES:
            yield block, unreadable
            block, unreadable, size = [], [], 0
    yield block, unreadable


def _numbered(file: Path, system: System, options: Options) -> Iterator[tuple[int, bytes | CannotRead]]:
    try:
        if system is System.BUNBASE:
            with file.open("rb") as source:
                for number, line in enumerate(source, 1):
                    if text := line.removeprefix(b"\xef\xbb\xbf").strip():
                        yield number, text
            return
        for number, found in enumerate(read_users(system, file, options), 1):
            yield number, found if isinstance(found, CannotRead) else msgspec.json.encode(found)
    except CannotRead as reason:
        raise Failure("unreadable_file", f"{file} cannot be read as a file of {system.value}: {reason}") from None
    except UnicodeDecodeError:
        raise Failure("unreadable_file", f"{file} is not text in UTF-8.") from None
    except OSError as error:
        raise Usage(f"{file} cannot be opened: {error.strerror}.", "no_file") from None


def _sent(session: Session, headers: dict[str, str], params: dict[str, str], block: Lines) -> ImportedUsers:
    call = Call(
        *("POST", "/v1/auth/users/import", params),
        headers=headers | {"content-type": NDJSON},
        content=b"".join(line + b"\n" for _, line in block),
        seconds=SILENCE_SECONDS,
    )
    return session.ask(ImportedUsers, call)


def _summed(done: ImportedUsers, answer: ImportedUsers, block: Lines, unreadable: list[RefusedLine]) -> ImportedUsers:
    """Add the answer for a block.

    The answer has line numbers within the block. The sum has line numbers within the file.
    """
    errors = [RefusedLine(block[one.line - 1][0], one.code, one.detail) for one in answer.errors]
    return ImportedUsers(
        done.imported + answer.imported,
        done.updated + answer.updated,
        done.skipped + answer.skipped,
        done.failed + answer.failed + len(unreadable),
        max(done.last_line, *(number for number, _ in block), *(one.line for one in unreadable), 0),
        (*done.errors, *sorted([*errors, *unreadable], key=lambda one: one.line))[:MAX_LISTED_ERRORS],
    )


def _show(out: Output, done: ImportedUsers, keeping: _Refused | None, dry_run: bool) -> None:
    if out.json:
        out.document(done)
        return
    counts = ("imported", "updated", "skipped", "failed")
    out.facts([(name, getattr(done, name)) for name in counts])
    if done.errors:
        out.table(("user", "code", "detail"), [(one.line, one.code, one.detail) for one in done.errors[:SHOWN_ERRORS]])
    if keeping and keeping.count:
        out.hint(f"The {keeping.count} refused lines are in {keeping.path}: correct them, and import that file.")
    if dry_run:
        out.done("Nothing was written: this was a dry run.")


def _stopped(done: ImportedUsers) -> str:
    counts = f"{done.imported} imported, {done.updated} updated, {done.skipped} skipped, {done.failed} failed"
    return f"The import has stopped after user {done.last_line}: {counts}. The same file again adds nobody twice."


def _config(path: Path) -> HashConfig:
    try:
        return read_config(path.read_text())
    except OSError as error:
        raise Usage(f"{path} cannot be opened: {error.strerror}.", "no_file") from None
    except (CannotRead, UnicodeDecodeError) as reason:
        raise Usage(f"{path}: {reason}") from None


def _target(file: Path | None) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(sys.stdout.buffer) if file is None else _private(file, "xb")


def _private(file: Path, how: str) -> IO[bytes]:
    """Open a file that only its owner may read, because it may contain hashes of passwords."""
    return open(file, how, opener=lambda name, options: os.open(name, options, 0o600))
