"""`bunbase schemas`: apply the schemas of a project's collections.

    # schemas.toml
    [posts]
    strict = true                                    # documents have no other fields

    [posts.schema]
    required = ["title"]
    properties.title = { type = "string", maxLength = 200 }

The file may also be JSON of the same shape: TOML has no null.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from cyclopts import App, Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call
from bunbase.cli.output import Output
from bunbase.cli.project_file import project_folder
from bunbase.cli.rule_files import read_content, shown
from bunbase.cli.session import open_session

SCHEMAS: Final = "schemas.toml"
INVALID: Final = "invalid_schemas_file"

SchemasFile = Annotated[
    Path | None,
    Parameter(
        name="--schemas", show_default=False, help="The file with the schemas. Default: schemas.toml of the project."
    ),
]

app = App(name="schemas", help="Apply the schemas of a project's collections.")


class NewSchema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of `PUT /v1/collections/{collection}`. `strict`: documents have only the fields that the schema names."""

    schema: dict[str, Any]
    strict: bool = False


@app.command
def push(*, schemas: SchemasFile = None, flags: ProjectFlags = PROJECT_FLAGS) -> None:
    """Apply the schemas of schemas.toml. Collections that the file does not name keep theirs.

    A collection that does not exist is created. Stored documents stay as they are.

    Example: bunbase schemas push
    """
    out = Output(flags.json)
    asked = read_schemas(schemas)
    with open_session(flags) as session:
        headers = {"x-bunbase-project": needed_project(flags.project, session)}
        for name, one in asked.items():
            session.ask(dict, Call("PUT", f"/v1/collections/{name}", headers=headers, json=msgspec.to_builtins(one)))
            out.done(f"The schema of {name} is in force.")
    if flags.json:
        out.document({"collections": list(asked)})


def read_schemas(named: Path | None = None) -> dict[str, NewSchema]:
    """Return the schema of each collection, from the named file or from the project's schemas.toml. Raises: Usage."""
    path = named or shown(project_folder() / SCHEMAS)
    schemas = read_content(path, dict[str, NewSchema], INVALID)
    if not schemas:
        raise Usage(f"{path} has no schemas: start with a collection, such as [posts.schema].", INVALID)
    return schemas
