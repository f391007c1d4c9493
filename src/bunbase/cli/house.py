"""`bunbase dev`, `serve`, `config`: the server itself, imported only by these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from cyclopts import Parameter

from bunbase.cli.entries import has_functions
from bunbase.cli.errors import Usage
from bunbase.cli.flags import FLAGS, Flags
from bunbase.cli.output import Output


@Parameter(name="*")
@dataclass(frozen=True)
class SettingFlags:
    set: Annotated[
        Sequence[str],
        Parameter(negative="", show_default=False, help="Set room.name=value; see `bunbase config`. Repeatable."),
    ] = ()
    port: Annotated[int | None, Parameter(help="The same as --set gateway.port=….")] = None
    data_dir: Annotated[str | None, Parameter(help="The same as --set house.data_dir=….")] = None

    def settings(self) -> dict[str, str]:
        """Give each setting by its full name. Raises: Usage."""
        given: dict[str, str] = {}
        for text in self.set:
            name, equals, value = text.partition("=")
            if not equals or "." not in name:
                raise Usage(f"--set {text} is not understood; write --set room.name=value.")
            given[name] = value
        if self.port is not None:
            given["gateway.port"] = str(self.port)
        if self.data_dir is not None:
            given["house.data_dir"] = self.data_dir
        return given


NO_SETTINGS: Final = SettingFlags()


def dev(
    *,
    watch: Annotated[bool, Parameter(help="Deploy the functions of this folder, now and when they are saved.")] = True,
    settings: SettingFlags = NO_SETTINGS,
    flags: Flags = FLAGS,
) -> int:
    """Run everything on this machine, for development; in a folder with functions, deploy them as they are saved.

    With --json nothing is watched: run `bunbase watch --json` beside it.
    """
    from bunbase.cli.beside import watching
    from bunbase.house.run import run_dev

    if watch and not flags.json and has_functions():
        return run_dev(settings.settings(), beside=watching)
    return run_dev(settings.settings(), flags.json)


def serve(
    *rooms: Annotated[str, Parameter(name="ROOM")], settings: SettingFlags = NO_SETTINGS, flags: Flags = FLAGS
) -> int:
    """Run for production: every room, or only the named ones."""
    from bunbase.house.run import run_serve

    return run_serve(list(rooms), settings.settings(), flags.json)


def config(*, settings: SettingFlags = NO_SETTINGS, flags: Flags = FLAGS) -> None:
    """Show every setting of the server and where it comes from; secrets are masked."""
    from bunbase.house.settings import load_settings
    from bunbase.pkg.config.load import MASK, ConfigError

    try:
        values = load_settings(settings.settings()).values
    except ConfigError as mistakes:
        raise Usage(str(mistakes), "invalid_config") from None
    out = Output(flags.json)
    if flags.json:
        items = [
            {"room": v.room, "name": v.name, "value": MASK if v.shown == MASK else v.value, "origin": v.origin}
            for v in values
        ]
        out.document({"items": items})
        return
    out.table(("setting", "value", "origin"), [(f"{v.room}.{v.name}", v.shown, v.origin) for v in values])
