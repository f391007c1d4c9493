"""Which data directory belongs to this installation.

A room that starts on an empty or a wrong directory finds projects without data: reads answer 404, and writes begin
again at revision 1. So the directory holds an id, BunKMS remembers this id beside the keys of the installation, and the
room serves only if both are the same (docs/decisions/0042).
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

Bind = Callable[[str, str], Awaitable[str]]  # own id, the id it replaces → the id that is bound now


class WrongDirectory(CannotStart):
    """The data of this installation is in another directory."""


async def check_directory(directory: Path, bind: Bind, replaces: str, contents: str, setting: str) -> None:
    """Bind the installation to this directory, or check that it is bound to it already.

    `replaces`: the id of a directory that is gone for good; this directory takes its place. `contents`: what the
    directory holds, in the plural. `setting`: the environment variable that sets `replaces`.
    Raises: WrongDirectory, CannotStart, and the errors of `bind`.
    """
    own = _own_id(directory)
    bound = await bind(own, replaces)
    if bound != own:
        raise WrongDirectory(
            f"{directory} is not where the {contents} of this installation are: its id is {own}, and they are in the "
            f"directory with the id {bound} (see {FILE} there). Mount that one, or name it in BUNBASE_DATA_DIR. "
            f"Only if it is gone for good, or its {contents} were moved here: set {setting}={bound}"
        )
    if replaces:
        log.warning("this setting is no longer needed", setting=setting, directory=own, replaced=replaces)


def _own_id(directory: Path) -> str:
    """Return the id of the directory. A new directory gets one, and so does a directory of an older version.

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
            f"{path} is damaged: bring it back from a copy, or delete it and start again to read which id it must have"
        )
    return text
