"""`bunbase init`: create bunbase.toml, its JSON Schema for editors, and a first function."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from bunbase.cli.credentials import ChosenProject
from bunbase.cli.errors import Failure, Usage
from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.output import Output
from bunbase.cli.project_file import SCHEMA
from bunbase.cli.targets import where

Directory = Annotated[Path, Parameter(help="The folder to write to. It is created if it does not exist.")]

HERE: Final = Path()
TEMPLATES: Final = {
    "bunbase.toml": "bunbase.toml",
    "functions/hello.ts": "hello.ts",
}  # for the path of each new file: its template
FILES: Final = (*TEMPLATES, SCHEMA)


def init(directory: Directory = HERE, /, *, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Create bunbase.toml and functions/hello.ts. Existing files are never overwritten.

    With bunbase.schema.json, editors check bunbase.toml and complete its names.

    Example: bunbase init shop
    """
    out = Output(flags.json)
    taken = [name for name in FILES if (directory / name).exists()]
    if taken:
        raise Usage(f"{directory / taken[0]} exists already: `bunbase init` does not overwrite files.", "file_exists")
    chosen = where(flags)
    project = chosen.file.read().server(chosen.server.value).project
    for name, template in TEMPLATES.items():
        _write(directory / name, _filled(template, project))
    _write(directory / SCHEMA, template_text(SCHEMA))
    if flags.json:
        out.document({"directory": str(directory.absolute()), "files": list(FILES)})
        return
    for name in FILES:
        out.line(str(directory / name))
    if project:
        out.hint(
            f"bunbase.toml names the project {project.slug}, which was chosen last. To change it: bunbase projects use"
        )
    step = "" if directory == HERE else f"cd {directory} && "
    out.hint(f"Next: {step}bunbase deploy" if project else f"Next: {step}bunbase projects create <name>")


def template_text(name: str) -> str:
    return (resources.files("bunbase.cli") / "templates" / name).read_text("utf-8")


def _filled(template: str, project: ChosenProject | None) -> str:
    text = template_text(template).replace("<name>", "hello")
    if project is None or template != "bunbase.toml":
        return text
    first, rest = text.split("\n", 1)  # the first line names the JSON Schema
    return f'{first}\n\n[project]\nid = "{project.id}"\nslug = "{project.slug}"\n{rest}'


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failure("file_unwritable", f"{path} cannot be written: {error.strerror}.") from error
