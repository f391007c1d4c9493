"""`bunbase deploy`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from bunbase.cli.bundle import Bundled, bundle
from bunbase.cli.chosen import needed_project
from bunbase.cli.entries import Entry, entries
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at
from bunbase.cli.output import Output
from bunbase.cli.project_file import read_project_file
from bunbase.cli.session import Session, open_session
from bunbase.contracts.functions import Version

UPLOAD_SECONDS = 120.0  # the server loads a bundle once before it answers

Name = Annotated[str, Parameter(help="Which ones; all if none is named.")]


class Deployed(msgspec.Struct, frozen=True):
    project: str
    items: tuple[Version, ...]


def deploy(*names: Name, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Bundle functions and put them into service: all in functions/, or the named ones."""
    out = Output(flags.json)
    found = entries(read_project_file(), names)
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        bundles = [(entry, _bundled(entry, out)) for entry in found]  # all of them first: one broken one stops the rest
        versions = tuple(_upload(session, project, entry, made, out) for entry, made in bundles)
    if flags.json:
        out.document(Deployed(project, versions))
        return
    out.table(("function", "version", "size", "sha256"), [_row(version) for version in versions])
    out.hint(f"Next: bunbase invoke {versions[0].name}")


def _bundled(entry: Entry, out: Output) -> Bundled:
    with out.busy(f"bundling {entry.path}"):
        made = bundle(entry.path)
    out.done(f"bundled {entry.path} ({_size(len(made.code))})")
    return made


def _upload(session: Session, project: str, entry: Entry, made: Bundled, out: Output) -> Version:
    files = {
        "bundle": (f"{entry.name}.js", made.code, "application/javascript"),
        "config": (None, msgspec.json.encode(entry.config), "application/json"),
    }
    if made.source_map is not None:
        files["source_map"] = (f"{entry.name}.js.map", made.source_map, "application/json")
    path = at("projects", project, "functions", entry.name)
    with out.busy(f"uploading {entry.name}"):
        version = session.ask(Version, Call("PUT", path, files=files, seconds=UPLOAD_SECONDS))
    out.done(f"deployed {entry.name} as version {version.version}")
    return version


def _row(version: Version) -> tuple[str, int, str, str]:
    return version.name, version.version, _size(version.size), version.sha256[:12]


def _size(size: int) -> str:
    return f"{size / 1024:.1f} KiB"
