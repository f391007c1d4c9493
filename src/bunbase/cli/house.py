"""`bunbase dev`, `serve` and `config`: commands that use the server's code, and import it only when they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from bunbase.cli.entries import has_functions
from bunbase.cli.errors import Usage
from bunbase.cli.flags import FLAGS, Flags
from bunbase.cli.output import Output
from bunbase.cli.project_file import enter_project_folder


@Parameter(name="*")
@dataclass(frozen=True)
class SettingFlags:
    set: Annotated[
        Sequence[str],
        Parameter(
            negative="",
            show_default=False,
            help="A setting, written as room.name=value. `bunbase config` lists all settings. Repeatable.",
        ),
    ] = ()
    port: Annotated[int | None, Parameter(help="The port to listen on; the same as --set gateway.port=….")] = None
    data_dir: Annotated[str | None, Parameter(help="The folder for all data; the same as --set house.data_dir=….")] = (
        None
    )

    def settings(self) -> dict[str, str]:
        """Return the settings by their full names. Raises: Usage."""
        given: dict[str, str] = {}
        for text in self.set:
            name, equals, value = text.partition("=")
            if not equals or "." not in name:
                raise Usage(f"--set {text} is not a setting: write --set room.name=value.")
            given[name] = value
        if self.port is not None:
            given["gateway.port"] = str(self.port)
        if self.data_dir is not None:
            given["house.data_dir"] = self.data_dir
        return given


NO_SETTINGS: Final = SettingFlags()


def dev(
    *,
    watch: Annotated[
        bool, Parameter(help="Deploy the functions of this folder, now and whenever they are saved.")
    ] = True,
    settings: SettingFlags = NO_SETTINGS,
    flags: Flags = FLAGS,
) -> int:
    """Run the whole server on this machine, for development.

    The server works in the folder of the nearest bunbase.toml, from this folder upwards, or else in this folder. The
    server stores its data in .bunbase in the same folder. If the folder has functions, the command deploys the
    functions now and whenever you save them. With --json it deploys no functions: run `bunbase watch --json` in a
    second terminal.

    Example: bunbase dev --port 7071
    """
    from bunbase.cli.beside import watching
    from bunbase.house.run import run_dev

    given = settings.settings()
    if data_dir := given.get("house.data_dir"):
        # the path is relative to the folder in which the user runs the command
        given["house.data_dir"] = str(Path(data_dir).absolute())
    if folder := enter_project_folder():
        Output(flags.json).hint(f"The project is in {folder}.")
    if watch and not flags.json and has_functions():
        return run_dev(given, beside=watching)
    return run_dev(given, flags.json)


def serve(
    *rooms: Annotated[
        str, Parameter(name="ROOM", help="A room (a part of the server) to run in this process. Default: all rooms.")
    ],
    settings: SettingFlags = NO_SETTINGS,
    flags: Flags = FLAGS,
) -> int:
    """Run the server for production: all rooms, or only the named ones.

    Example: bunbase serve gateway bunauth --port 7070
    """
    from bunbase.house.run import run_serve

    return run_serve(list(rooms), settings.settings(), flags.json)


def config(*, settings: SettingFlags = NO_SETTINGS, flags: Flags = FLAGS) -> None:
    """Show every setting of the server, its value, the source of the value, and the meaning of the setting.

    Secrets are masked. The command shows the settings of a server that would start in this folder, and not the settings
    of a running server.

    Example: bunbase config --set gateway.port=7071
    """
    from bunbase.house.settings import load_settings
    from bunbase.pkg.config.load import DEFAULT, MASK, ConfigError

    try:
        values = load_settings(settings.settings()).values
    except ConfigError as mistakes:
        raise Usage(str(mistakes), "invalid_config") from None
    out = Output(flags.json)
    if flags.json:
        items = [
            {
                "room": v.room,
                "name": v.name,
                "value": MASK if v.shown == MASK else v.value,
                "origin": v.origin,
                "default": v.default,
                "description": v.description,
            }
            for v in values
        ]
        out.document({"items": items})
        return
    for v in values:
        changed = f"  # {v.origin}" if v.origin != DEFAULT else ""
        out.line((f"{v.room}.{v.name}", "bold"), f" = {v.shown}", (changed, "yellow"))
        out.line((f"    {v.description}", "dim"))
    out.hint(f"A server that starts in {Path.cwd()} has these settings. A running server keeps those of its start.")
