"""Checks that a data directory belongs to this installation.

If a room started on an empty or wrong directory, all projects would appear empty: reads would answer 404, and the first
write would get revision 1. So the directory contains an id, and BunKMS stores the same id together with the keys
of the installation. The room starts only if both ids are equal (docs/decisions/0042).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from bunbase.pkg.errors import CannotStart
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger
from bunbase.pkg.secret_files import create_secret_file

log = logger("sealed_sqlite")

FILE: Final = "directory.id"
ID: Final = re.compile(r"dir_[0-9a-z]{26}")
MAX_BYTES: Final = 256

# The arguments are the own id and the id that it replaces. The result is the bound id.
Bind = Callable[[str, str], Awaitable[str]]


class WrongDirectory(CannotStart):
    """The data of this installation is in another directory."""


async def check_directory(directory: Path, bind: Bind, replaces: str, contents: str, setting: str) -> None:
    """Bind the installation to this directory, or check that it is already bound to it.

    `replaces`: the id of a lost directory that this directory replaces. `contents`: a word in the plural for the data
    in the directory, for messages. `setting`: the environment variable that sets `replaces`.
    Raises: WrongDirectory, CannotStart, and the errors of `bind`.
    """
    own = _own_id(directory)
    bound = await bind(own, replaces)
    if bound != own:
        raise WrongDirectory(
            f"{directory} has the id {own}, but the {contents} of this installation are in the directory with the id "
            f"{bound} (see {FILE} there). Mount that directory, or set BUNBASE_DATA_DIR to it. "
            f"Only if that directory is lost, or its {contents} were moved here: set {setting}={bound}"
        )
    if replaces:
        log.warning("this setting is no longer needed", setting=setting, directory=own, replaced=replaces)


def _own_id(directory: Path) -> str:
    """Return the id of the directory. Create an id for a new directory, and for a directory of an older version.

    Raises: CannotStart.
    """
    path = directory / FILE
    try:
        create_secret_file(path, new_id("dir") + "\n")
        with path.open("rb") as file:
            text = file.read(MAX_BYTES).decode("ascii", "replace").strip()
    except OSError as error:
        raise CannotStart(f"{path} cannot be used: {error.strerror}") from error
    if not ID.fullmatch(text):
        raise CannotStart(
            f"{path} is damaged: restore it from a copy, or delete it and start again to see the id that it must have"
        )
    return text
