"""`bunbase pull`: write the configuration of a project to bunbase.toml."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.deploying import active_versions
from bunbase.cli.entries import function_names
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.output import Output
from bunbase.cli.plans.auth import shown_auth
from bunbase.cli.plans.buckets import present_buckets
from bunbase.cli.plans.channels import present_channels
from bunbase.cli.plans.collections import present_collections
from bunbase.cli.plans.plan import place_of
from bunbase.cli.plans.pulling import Project, pulled
from bunbase.cli.plans.showing import show_place
from bunbase.cli.project_file import enter_project_folder, project_file_path, read_project_file
from bunbase.cli.session import open_session
from bunbase.cli.toml_writing import file_text, write_file

DryRun = Annotated[bool, Parameter(negative="", show_default=False, help="Write nothing; show the changed lines.")]


def pull(*, dry_run: DryRun = False, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Write the collections, channels, buckets, settings of functions and settings for users to bunbase.toml.

    Comments and all other parts of the file stay. Afterwards, `bunbase diff` finds no difference. The command never
    writes secrets: the file names environment variables instead. The command does not write the source code of
    functions either.

    Example: bunbase pull --dry-run
    """
    out = Output(flags.json)
    if folder := enter_project_folder():
        out.hint(f"The project is in {folder}.")
    file, path = read_project_file(), project_file_path()
    with open_session(flags) as session:
        name = needed_project(flags.project, session)
        place = place_of(session, name)
        show_place(place, out)
        with out.busy("reading the project"):
            project = Project(
                place.id,
                place.slug,
                present_collections(session, name),
                active_versions(session, name),
                shown_auth(session, name),
                present_channels(session, name),
                present_buckets(session, name),
            )
    found = pulled(project, file, path, function_names(file))
    if dry_run and not flags.json:
        for one, text in found.files.items():
            out.line(_difference(one, text).rstrip("\n"))
    if not dry_run:
        for one, text in found.files.items():
            write_file(one, text)
            out.done(f"{one} is written.")
    if flags.json:
        files = [str(one) for one in found.files]
        out.document({"files": files, "written": not dry_run, "removed": found.removed, "elsewhere": found.elsewhere})
    if found.removed:
        out.warn(f"The project does not have {', '.join(found.removed)}: the file no longer describes them.")
    if found.elsewhere:
        out.hint(f"Functions of the project without a file here: {', '.join(found.elsewhere)}.")
    if not found.files:
        out.done("The files say what the project has already.")


def _difference(path: Path, text: str) -> str:
    before = file_text(path) if path.exists() else ""
    return "".join(
        difflib.unified_diff(before.splitlines(keepends=True), text.splitlines(keepends=True), str(path), str(path))
    )
