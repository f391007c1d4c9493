"""`bunbase import`: put the file of `bunbase export` into a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import OK, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.output import Output
from bunbase.cli.project_copies.checking import CheckedFile, checked_file
from bunbase.cli.project_copies.error_groups import COLUMNS, CONFLICTS, ErrorGroups
from bunbase.cli.project_copies.imported_files import ImportedFiles
from bunbase.cli.project_copies.reading import size_of
from bunbase.cli.project_copies.sending import Choices, Conflict, Sending, Tally
from bunbase.cli.session import open_session

SOME_FAILED: Final = 1


def import_project(
    file: Annotated[Path, Parameter(help="A file that `bunbase export` has written.")],
    /,
    *,
    on_conflict: Annotated[
        Conflict, Parameter(help="How to treat a collection, user, document or file that the project has already.")
    ] = Conflict.FAIL,
    dry_run: Annotated[
        bool, Parameter(negative="", show_default=False, help="Check the file and the project; write nothing.")
    ] = False,
    from_line: Annotated[
        int,
        Parameter(show_default=False, help="Send only what is in this line and later ones. Default: all lines."),
    ] = 1,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> int:
    """Import an exported project. Collections, documents and users keep their ids, and users their passwords.

    The whole file is checked first: a damaged file changes nothing. The exit code is 1 if a line could not be imported.

    Example: bunbase import shop.ndjson.gz --on-conflict skip
    """
    out = Output(flags.json)
    if from_line < 1:
        raise Usage("--from-line must be 1 or more: the first line is 1.")
    size = size_of(file)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        with out.progress(f"checking {file}", size) as bar:
            checked = checked_file(file, lambda done: bar(done, ""))
        if checked.errors.count:
            _show_damage(out, checked)
            return SOME_FAILED
        sending = Sending(session, project, checked, Choices(on_conflict, dry_run, from_line))
        _send(sending, file, size, out)
    _show(out, sending, dry_run)
    return SOME_FAILED if sending.errors.count else OK


def _send(sending: Sending, file: Path, size: int, out: Output) -> None:
    files = ImportedFiles(sending)
    try:
        sending.send_settings(out)
        files.send_buckets()
        with out.progress(f"importing {file}", size) as bar:
            place = [0]

            def on_bytes(done: int) -> None:
                place[0] = done

            sending.send_lines(file, on_bytes, lambda: bar(place[0], f"line {sending.last_line}"))
            files.send_objects(file, on_bytes, lambda: bar(place[0], f"line {sending.last_line}"))
        sending.begin_asking(out)
    except BaseException:
        if sending.last_line and not sending.choices.dry_run:
            again = min((sending.last_line + 1, *sending.waiting))
            out.warn(
                f"All lines up to {sending.last_line} were processed. To continue: --from-line {again} --on-conflict "
                "skip. The whole file again with --on-conflict skip adds nothing twice."
            )
        if sending.asking and not sending.choices.dry_run:
            out.warn(
                f"These collections do not ask their function before writes yet: {', '.join(sending.asking)}. They "
                "begin to ask when the import has ended."
            )
        raise


def _show_damage(out: Output, checked: CheckedFile) -> None:
    if out.json:
        out.document({"imported": False, "failed": checked.errors.count, "errors": checked.errors.sorted()})
    else:
        _show_errors(out, checked.errors)
    out.warn("The file is damaged, so nothing was imported.")


def _show(out: Output, sending: Sending, dry_run: bool) -> None:
    tallies = {"collections": sending.collections, "users": sending.users, "documents": sending.documents}
    if sending.checked.header.files:
        tallies |= {"buckets": sending.buckets, "files": sending.objects}
    if out.json:
        document: dict[str, Any] = {**tallies, "last_line": sending.last_line, "failed": sending.errors.count}
        out.document(document | {"dry_run": dry_run, "errors": sending.errors.sorted()})
        return
    rows = [(name, *_cells(tally)) for name, tally in tallies.items()]
    out.table(("part", "imported", "updated", "skipped", "failed"), rows)
    _show_errors(out, sending.errors)
    if sending.errors.has(CONFLICTS) and sending.choices.on_conflict is Conflict.FAIL:
        out.hint("To keep what the project has already: --on-conflict skip. To replace it: --on-conflict replace")
    if dry_run:
        out.done("Nothing was written: this was a dry run. Unique indexes and references were not checked.")
    elif not sending.errors.count:
        out.done("Everything in the file is in the project now.")


def _cells(tally: Tally) -> tuple[int, int, int, int]:
    return tally.imported, tally.updated, tally.skipped, tally.failed


def _show_errors(out: Output, errors: ErrorGroups) -> None:
    if errors.count:
        out.table(COLUMNS, errors.rows())
