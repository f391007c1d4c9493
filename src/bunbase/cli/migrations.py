"""`bunbase migrations`: functions that change every document of a collection, once."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Failure, Usage
from bunbase.cli.flags import FLAGS, PROJECT_FLAGS, Flags, ProjectFlags
from bunbase.cli.migration_files import (
    FOLDER,
    NAME,
    MigrationFile,
    deploy_migration,
    known_walks,
    migration_files,
    named_file,
    pending,
)
from bunbase.cli.output import Output
from bunbase.cli.project_file import enter_project_folder
from bunbase.cli.session import Session, open_session
from bunbase.cli.walking import (
    FAILED,
    DryRun,
    MaxErrors,
    MaxPerSecond,
    NoWait,
    begin,
    change,
    current,
    exit_code,
    progress,
    rehearse,
    show_end,
    show_rehearsal,
    show_walk,
    wait,
)
from bunbase.contracts.functions.walks import Rehearsal, Walk

OK = 0

Name = Annotated[str, Parameter(help="The migration's name, such as 0001_split_name.")]
Again = Annotated[bool, Parameter(negative="", show_default=False, help="Run the migration although it has run.")]

app = App(name="migrations", help="Change every document of a collection with a function, once.")


class MigrationState(msgspec.Struct, frozen=True):
    """A migration of the folder or of the server. `changed`: its file has changed since it began."""

    name: str
    state: str
    progress: str
    changed: bool


class Migrations(msgspec.Struct, frozen=True):
    items: tuple[MigrationState, ...]


class Ran(msgspec.Struct, frozen=True):
    """The result of a run. `rehearsed`: the results of a dry run, by the name of the migration."""

    items: tuple[Walk, ...] = ()
    rehearsed: dict[str, Rehearsal] = {}


class Migrated(msgspec.Struct, frozen=True):
    """The result of the migrations in a deployment.

    `ran`: the migrations that ended, each with its counts. `pending`: the other migrations.
    `failure`: the reason why the last migration could not begin, or why its outcome is unknown.
    """

    ran: tuple[Walk, ...] = ()
    pending: tuple[str, ...] = ()
    failure: Failure | None = None

    @property
    def exit_code(self) -> int:
        if self.failure is not None:
            return self.failure.exit_code
        return next((FAILED for one in self.ran if exit_code(one)), OK)


@app.command
def new(
    name: Annotated[str, Parameter(help="A name for the change, such as split_name. The next number is added.")],
    /,
    *,
    collection: Annotated[str, Parameter(help="The collection whose documents it changes.")] = "posts",
    flags: Flags = FLAGS,
) -> None:
    """Create migrations/<number>_<name>.ts with the next number.

    Example: bunbase migrations new split_name --collection people
    """
    out = Output(flags.json)
    if folder := enter_project_folder():
        out.hint(f"The project is in {folder}.")
    numbers = [int(one.name[:4]) for one in migration_files()]
    whole = name if NAME.fullmatch(name) else f"{max(numbers, default=0) + 1:04}_{name}"
    if not NAME.fullmatch(whole):
        raise Usage("A migration's name has at most 48 lower-case letters, digits and _.", "invalid_migration_name")
    path = Path(FOLDER) / f"{whole}.ts"
    if path.exists():
        raise Usage(f"{path} exists already and was not overwritten.", "file_exists")
    text = (resources.files("bunbase.cli") / "templates" / "migration.ts").read_text("utf-8")
    try:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("<collection>", collection), "utf-8")
    except OSError as error:
        raise Failure("file_unwritable", f"{path} cannot be written: {error.strerror}.") from error
    if flags.json:
        out.document({"name": whole, "files": [str(path)]})
        return
    out.line(str(path))
    out.hint(f"Next: bunbase migrations run {whole} --dry-run")


@app.command(name="list")
def list_migrations(*, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show the migrations of the folder and of the server: pending, running, done, or changed since they ran.

    Example: bunbase migrations list
    """
    out = Output(flags.json)
    enter_project_folder()
    files = {one.name: one for one in migration_files()}
    with open_session(flags) as session:
        walks = known_walks(session, needed_project(flags.project, session))
    found = tuple(_state(name, files.get(name), walks.get(name)) for name in sorted(files.keys() | walks.keys()))
    if flags.json:
        out.document(Migrations(found))
        return
    rows = [(one.name, one.state, one.progress, "changed since it began" if one.changed else "") for one in found]
    out.table(("migration", "state", "documents", ""), rows)
    if not found:
        out.hint("There are no migrations. Create one: bunbase migrations new split_name")


@app.command
def run(
    *names: Name,
    dry_run: DryRun = False,
    again: Again = False,
    no_wait: NoWait = False,
    max_errors: MaxErrors = 100,
    max_per_second: MaxPerSecond = 1000,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> int:
    """Run the named migrations, or all pending migrations in their order, on the server, one after the other.

    The server goes on if this command ends. A migration that is done does not run again. After errors, correct the
    code or the documents, and run it again: only the failed documents and the rest are visited.
    --dry-run shows counts and some changes of the first 1,000 documents. The dry run uploads the code, but changes no
    document.

    Example: bunbase migrations run --dry-run
    """
    out = Output(flags.json)
    if (again or no_wait) and len(names) != 1:
        raise Usage("--again and --no-wait need the name of one migration.")
    enter_project_folder()
    options = {"max_errors": max_errors, "max_per_second": max_per_second, "again": again}
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        files = [named_file(name) for name in names] or pending(migration_files(), known_walks(session, project))
        if dry_run:
            return _rehearse(session, project, files, options, out)
        if no_wait:
            ran = [_begin(session, project, files[0], options, out)]
        else:
            ran = list(run_in_order(session, project, files, options, out))
    if out.json:
        out.document(Ran(tuple(ran)))
    elif not files:
        out.done("No migration is pending.")
    return next((FAILED for one in ran if exit_code(one)), OK)


@app.command
def status(name: Name, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Show the progress of a migration, and its errors in groups.

    Example: bunbase migrations status 0001_split_name
    """
    _act(name, "", flags)


@app.command
def pause(name: Name, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Pause a migration after its current batch.

    Example: bunbase migrations pause 0001_split_name
    """
    _act(name, "paused", flags)


@app.command
def resume(name: Name, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Resume a migration that was paused, or that stopped because of errors, with the code that is on the server.

    Example: bunbase migrations resume 0001_split_name
    """
    _act(name, "running", flags)


@app.command
def cancel(name: Name, /, *, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Cancel a migration after its current batch. Changed documents stay changed. The next run starts from the
    beginning.

    Example: bunbase migrations cancel 0001_split_name
    """
    _act(name, "cancelled", flags)


def run_in_order(
    session: Session, project: str, files: list[MigrationFile], options: dict[str, Any], out: Output
) -> Iterator[Walk]:
    """Run migrations one after the other, up to the first migration that fails. Yield each migration at its end."""
    for file in files:
        walk = wait(session, project, _begin(session, project, file, options, out), out)
        yield walk
        if not out.json:
            show_end(walk, out)
        if walk.state != "done":
            break


def after_deployment(session: Session, project: str, migrate: bool, out: Output) -> Migrated:
    """Run pending migrations, or only list their names. A folder without migrations causes no request."""
    ran: list[Walk] = []
    waiting: list[MigrationFile] = []
    try:
        files = migration_files()
        waiting = pending(files, known_walks(session, project)) if files else []
        if migrate:
            ran.extend(run_in_order(session, project, waiting, {}, out))
        elif waiting:
            names = ", ".join(one.name for one in waiting)
            out.hint(f"Pending migrations: {names}. Run them: bunbase migrations run")
    except Failure as failure:
        return Migrated(tuple(ran), _pending(waiting, ran), failure)
    return Migrated(tuple(ran), _pending(waiting, ran))


def _pending(waiting: list[MigrationFile], ran: list[Walk]) -> tuple[str, ...]:
    begun = {one.name for one in ran}
    return tuple([one.name for one in waiting if one.name not in begun])


def _begin(session: Session, project: str, file: MigrationFile, options: dict[str, Any], out: Output) -> Walk:
    with out.busy(f"uploading {file.name}"):
        deploy_migration(session, project, file)
    return begin(session, project, _new(file, options))


def _rehearse(session: Session, project: str, files: list[MigrationFile], options: dict[str, Any], out: Output) -> int:
    found = {}
    for file in files:
        with out.busy(f"rehearsing {file.name}"):
            deploy_migration(session, project, file)
            found[file.name] = rehearse(session, project, _new(file, options))
        if not out.json:
            out.line(file.name)
            show_rehearsal(found[file.name], out)
    if out.json:
        out.document(Ran(rehearsed=found))
    return FAILED if any(one.failed for one in found.values()) else OK


def _new(file: MigrationFile, options: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "migration", "name": file.name, "function": file.function, "checksum": file.checksum, **options}


def _state(name: str, file: MigrationFile | None, walk: Walk | None) -> MigrationState:
    if walk is None:
        return MigrationState(name, "pending", "", changed=False)
    changed = file is not None and file.checksum != walk.checksum
    return MigrationState(name, walk.state.value, progress(walk), changed)


def _act(name: str, state: str, flags: ProjectFlags) -> None:
    """Change the state of a migration unless `state` is empty. Then show the migration."""
    out = Output(flags.json)
    wanted = Path(name).name.removesuffix(".ts")
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        walk = known_walks(session, project).get(wanted)
        if walk is None:
            raise Failure("walk_not_found", f"{wanted} has not begun. See: bunbase migrations list")
        walk = change(session, project, walk, state) if state else current(session, project, walk)
    if flags.json:
        out.document(walk)
    elif state:
        out.done(f"{wanted} is {walk.state.value}: {progress(walk)} documents.")
    else:
        show_walk(walk, out)
