"""The project in the current folder: bunbase.toml, and the functions in the same folder."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bunbase.cli.entries import Entry, entries, not_a_function, passed_over
from bunbase.cli.errors import Usage
from bunbase.cli.output import Output
from bunbase.cli.project_file import ProjectFile, enter_project_folder, read_project_file

NO_FUNCTIONS = "no_functions"


class Folder(msgspec.Struct, frozen=True):
    file: ProjectFile
    entries: tuple[Entry, ...]


def read_folder(out: Output, names: Sequence[str] = ()) -> Folder:
    """Change to the folder of the project, and return its content. `names`: if set, return only these functions.

    Raises: Usage for mistakes in the file, and if the folder has nothing to deploy.
    """
    if folder := enter_project_folder():
        out.hint(f"The project is in {folder}.")
    file = read_project_file()
    for path in () if names else passed_over(file):
        out.warn(not_a_function(path))
    if names:
        return Folder(ProjectFile(file.project, file.functions, file.configs, folder=file.folder), _found(file, names))
    has_more = bool(file.collections or file.channels or file.buckets or file.auth or file.deploy.drop_collections)
    try:
        return Folder(file, _found(file, ()))
    except Usage as usage:
        if usage.code != NO_FUNCTIONS or file.functions or not has_more:
            raise
        return Folder(file, ())


def _found(file: ProjectFile, names: Sequence[str]) -> tuple[Entry, ...]:
    return tuple(entries(file, names))
