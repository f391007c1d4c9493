"""The files of migrations/: each changes the documents of one collection, and becomes a function of the project."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

import msgspec

from bunbase.cli.deploying import active_versions, bundle_function, same, upload
from bunbase.cli.entries import Entry
from bunbase.cli.errors import Usage
from bunbase.cli.http import Call, at
from bunbase.cli.session import Session
from bunbase.contracts.functions.walks import MIGRATION_NAME, Walk, Walks, WalkState

FOLDER: Final = "migrations"
NAME: Final = re.compile(MIGRATION_NAME)
# a call may take long, because it passes up to 100 documents to the function
CONFIG: Final = {"access": "secret", "timeout_ms": 60_000}


class MigrationFile(msgspec.Struct, frozen=True):
    """A file of migrations/. `checksum`: its SHA-256, which shows the server whether the file has changed."""

    name: str
    path: Path
    checksum: str

    @property
    def function(self) -> str:
        return f"migration-{self.name.replace('_', '-')}"


def migration_files() -> list[MigrationFile]:
    """Return the migrations of the current folder, in their order. Raises: Usage."""
    found = []
    for path in sorted(Path(FOLDER).glob("*.ts")):
        if path.name.startswith("_") or path.name.endswith(".d.ts"):
            continue
        if not NAME.fullmatch(path.stem):
            raise Usage(
                f"{path} cannot be a migration: a name has four digits, an underscore, and at most 48 lower-case "
                "letters, digits and _, such as 0001_split_name.ts. A file of shared code begins with _.",
                "invalid_migration_name",
            )
        found.append(MigrationFile(path.stem, path, hashlib.sha256(path.read_bytes()).hexdigest()))
    return found


def named_file(name: str) -> MigrationFile:
    """Return the migration of this name, with or without its folder and ending. Raises: Usage."""
    wanted = Path(name).name.removesuffix(".ts")
    files = migration_files()
    found = next((one for one in files if one.name == wanted), None)
    if found is None:
        known = f"There are: {', '.join(one.name for one in files)}." if files else "The folder has no migration yet."
        raise Usage(f"There is no {FOLDER}/{wanted}.ts. {known}", "migration_not_found")
    return found


def known_walks(session: Session, project: str) -> dict[str, Walk]:
    """Return the migrations that have begun, by name."""
    call = Call("GET", at("projects", project, "walks"), params={"kind": "migration"})
    return {one.name: one for one in session.ask_all(Walks, call).items}


def pending(files: list[MigrationFile], walks: dict[str, Walk]) -> list[MigrationFile]:
    """Return the migrations that are not done."""
    return [one for one in files if one.name not in walks or walks[one.name].state is not WalkState.DONE]


def deploy_migration(session: Session, project: str, file: MigrationFile) -> None:
    """Upload the code of a migration unless the server has it. Raises: Failure of Bun, and every error of a request."""
    made = bundle_function(Entry(file.function, file.path, CONFIG))
    active = active_versions(session, project).get(file.function)
    if active is None or not same(made, active):
        upload(session, project, made)
