"""`bunbase export`: a project as one file, with collections, documents, files and users."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output, counted, size_text
from bunbase.cli.project_copies.parts import Extra, Part, With, Without
from bunbase.cli.project_copies.writing import ExportedProject, Exporting, new_file
from bunbase.cli.session import open_session
from bunbase.contracts.platform import Project


def export_project(
    file: Annotated[Path, Parameter(help="A new file with one JSON object per line. A file named *.gz is compressed.")],
    /,
    *,
    parts: With = (),
    without: Without = (),
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Export a project to one file: its collections with schemas, indexes and rules, its documents, files and users.

    The file does not contain functions, variables, settings for users, members, or keys.

    Example: bunbase export shop.ndjson.gz --with users
    """
    out = Output(flags.json)
    if file.exists():
        raise Usage(f"{file} exists already. Delete it, or choose another name.", "file_exists")
    with open_session(flags) as session:
        project = session.ask(Project, Call("GET", at("projects", needed_project(flags.project, session))))
        with out.working(f"exporting to {file}") as told, new_file(file) as target:
            counts = Exporting(session, project, target, told).run(Extra.USERS in parts, Part.FILES not in without)
    size = file.stat().st_size
    if flags.json:
        out.document(
            ExportedProject(str(file), size, counts.collections, counts.documents, counts.users, counts.objects)
        )
    told_parts = [counted(counts.collections, "collection"), counted(counts.documents, "document")]
    told_parts += [] if without else [counted(counts.objects, "file")]
    told_parts += [counted(counts.users, "user")] if parts else []
    out.done(f"Exported {', '.join(told_parts)} to {file} ({size_text(size)}).")
    if parts:
        out.hint("The file has the hashes of the passwords. Keep it as secret as the users themselves.")
    else:
        out.hint("The file has no users. To add them: --with users")
