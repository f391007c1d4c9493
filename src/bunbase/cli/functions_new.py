"""`bunbase functions new`: create a function from a template."""

from __future__ import annotations

from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from bunbase.cli.entries import FOLDER
from bunbase.cli.errors import Failure, Usage
from bunbase.cli.flags import FLAGS, Flags
from bunbase.cli.output import Output
from bunbase.cli.project_file import FUNCTION_NAME, enter_project_folder, name_rule, read_project_file
from bunbase.cli.toml_writing import add_function


class Template(StrEnum):
    HELLO = "hello"
    WEBHOOK = "webhook"
    CRON = "cron"
    DATA = "data"
    HOOKS = "hooks"
    BEFORE_WRITE = "before-write"


SETTINGS: Final[dict[Template, dict[str, Any]]] = {
    Template.HELLO: {"access": "key"},
    Template.WEBHOOK: {"access": "public"},
    Template.CRON: {"access": "secret", "schedule": "0 * * * *"},
    Template.DATA: {"access": "secret", "on": [{"collection": "posts"}]},
    Template.HOOKS: {"access": "secret"},
    Template.BEFORE_WRITE: {"access": "secret"},
}
TSCONFIG: Final = "tsconfig.json"


def new(
    name: Annotated[str, Parameter(help="The new function's name.")],
    /,
    *,
    template: Annotated[Template, Parameter(help="The template to start from.")] = Template.HELLO,
    flags: Flags = FLAGS,
) -> None:
    """Create functions/<name>.ts from a template, and add its settings to bunbase.toml.

    The command never overwrites an existing function.

    Example: bunbase functions new hello
    """
    out = Output(flags.json)
    if not FUNCTION_NAME.fullmatch(name):
        raise Usage(f"{name_rule(name).replace('a', 'A', 1)}.", "invalid_function_name")
    if folder := enter_project_folder():
        out.hint(f"The project is in {folder}.")
    settings = read_project_file().functions
    path = Path(FOLDER) / f"{name}.ts"
    taken = next((one for one in (path, Path(FOLDER) / name / "index.ts") if one.exists()), None)
    if taken is not None:
        raise Usage(f"{taken} exists already and was not overwritten.", "file_exists")
    written = [_write(path, f"{template.value}.ts", name)]
    if not Path(TSCONFIG).exists():
        written.append(_write(Path(TSCONFIG), TSCONFIG, name))
    if name not in settings and add_function(name, SETTINGS[template]):
        written.append("bunbase.toml")
    if flags.json:
        out.document({"name": name, "template": template, "files": written})
        return
    for file in written:
        out.line(file)
    out.hint(f"Next: bunbase deploy {name}")


def _write(path: Path, template: str, name: str) -> str:
    text = (resources.files("bunbase.cli") / "templates" / template).read_text("utf-8").replace("<name>", name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise Failure("file_unwritable", f"{path} cannot be written: {error.strerror}.") from error
    return str(path)
