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
from msgspec import UNSET

from bunbase.cli.errors import Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.plans.pushing import AllowLosing, push_collections
from bunbase.cli.plans.wanted import wanted_collections
from bunbase.cli.project_file import project_folder, read_project_file
from bunbase.cli.rule_files import read_content, shown
from bunbase.contracts.bundoc.collections import CollectionSpec

SCHEMAS: Final = "schemas.toml"
INVALID: Final = "invalid_schemas_file"

SchemasFile = Annotated[
    Path | None,
    Parameter(
        name="--schemas",
        show_default=False,
        help="The file with the schemas. Default: schemas.toml or bunbase.toml.",
    ),
]

app = App(name="schemas", help="Apply the schemas of a project's collections.")


class NewSchema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of `PUT /v1/collections/{collection}`. `strict`: documents have only the fields that the schema names."""

    schema: dict[str, Any]
    strict: bool = False


@app.command
def push(*, schemas: SchemasFile = None, allow_losing: AllowLosing = (), flags: ProjectFlags = PROJECT_FLAGS) -> int:
    """Apply the schemas of schemas.toml, or of bunbase.toml. Collections that the file does not name keep their
    schemas.

    If a collection does not exist, the command creates it. If stored documents do not match a schema, the command
    changes nothing, unless --allow-losing names the field. These documents stay unchanged.

    Example: bunbase schemas push
    """
    return push_collections(_schemas(schemas), allow_losing, flags)


def _schemas(named: Path | None) -> dict[str, CollectionSpec]:
    """Return the schemas of the named file, else of schemas.toml, else of `[collections.…]` in bunbase.toml."""
    if named is None and not (project_folder() / SCHEMAS).is_file():
        found = wanted_collections(read_project_file())
        having = {name: one for name, one in found.items() if one.schema is not UNSET or one.strict is not UNSET}
        if having:
            return {name: CollectionSpec(schema=one.schema, strict=one.strict) for name, one in having.items()}
    asked = read_schemas(named)
    return {name: CollectionSpec(schema=one.schema, strict=one.strict) for name, one in asked.items()}


def read_schemas(named: Path | None = None) -> dict[str, NewSchema]:
    """Return the schema of each collection, from the named file or from the project's schemas.toml. Raises: Usage."""
    path = named or shown(project_folder() / SCHEMAS)
    schemas = read_content(path, dict[str, NewSchema], INVALID)
    if not schemas:
        raise Usage(f"{path} has no schemas: start with a collection, such as [posts.schema].", INVALID)
    return schemas
