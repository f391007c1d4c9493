"""`bunbase init`: create bunbase.toml and a first function."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from bunbase.cli.address import server_url
from bunbase.cli.credentials import ChosenProject, credentials_file
from bunbase.cli.errors import Failure, Usage
from bunbase.cli.flags import SERVER_FLAGS, ServerFlags
from bunbase.cli.output import Output

Directory = Annotated[Path, Parameter(help="The folder to write to. It is created if it does not exist.")]

HERE: Final = Path()
FILES: Final = {
    "bunbase.toml": "bunbase.toml",
    "functions/hello.ts": "hello.ts",
}  # the path of each new file, and its template


def init(directory: Directory = HERE, /, *, flags: ServerFlags = SERVER_FLAGS) -> None:
    """Create bunbase.toml and functions/hello.ts. Existing files are never overwritten.

    Example: bunbase init shop
    """
    out = Output(flags.json)
    taken = [name for name in FILES if (directory / name).exists()]
    if taken:
        raise Usage(f"{directory / taken[0]} exists already: `bunbase init` does not overwrite files.", "file_exists")
    credentials = credentials_file().read()
    project = credentials.server(server_url(flags.url, credentials.current)).project
    for name, template in FILES.items():
        _write(directory / name, _filled(template, project))
    if flags.json:
        out.document({"directory": str(directory.absolute()), "files": list(FILES)})
        return
    for name in FILES:
        out.line(str(directory / name))
    step = "" if directory == HERE else f"cd {directory} && "
    out.hint(f"Next: {step}bunbase deploy" if project else f"Next: {step}bunbase projects create <name>")


def _filled(template: str, project: ChosenProject | None) -> str:
    text = (resources.files("bunbase.cli") / "templates" / template).read_text("utf-8").replace("<name>", "hello")
    if project is None or template != "bunbase.toml":
        return text
    return f'[project]\nid = "{project.id}"\nslug = "{project.slug}"\n\n{text}'


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failure("file_unwritable", f"{path} cannot be written: {error.strerror}.") from error
