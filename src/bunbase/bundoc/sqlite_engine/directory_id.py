"""Which directory holds the documents of this installation.

An empty or a wrong directory looks like a project without documents: reads answer 404, and writes begin anew at
revision 1. So the directory keeps an id, the installation remembers it beside its keys, and Bundoc serves only
where both agree.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from bunbase.contracts.bunkms import Kms
from bunbase.pkg.errors import CannotStart
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger
from bunbase.pkg.secret_files import create_secret_file

log = logger("bundoc")

ROOM: Final = "bundoc"
FILE: Final = "directory.id"
ID: Final = re.compile(r"dir_[0-9a-z]{26}")
MAX_BYTES: Final = 256
SETTING: Final = "BUNBASE_BUNDOC__REPLACES_DIRECTORY"


class WrongDirectory(CannotStart):
    """The documents of this installation are in another directory."""


async def check_directory(directory: Path, kms: Kms, replaces: str) -> None:
    """Bind the installation to this directory, or see that it is bound to it already.

    `replaces`: the id of a directory that is gone for good, in whose place this one may come.
    Raises: WrongDirectory, CannotStart; Unreachable while BunKMS is not there.
    """
    own = _own_id(directory)
    bound = await kms.bind_directory(ROOM, own, replaces)
    if bound != own:
        raise WrongDirectory(
            f"{directory} is not where the documents of this installation are: its id is {own}, and they are in the "
            f"directory with the id {bound} (see {FILE} there). Mount that one, or name it in BUNBASE_DATA_DIR. "
            f"Only if it is gone for good, or its documents were moved here: set {SETTING}={bound}"
        )
    if replaces:
        log.warning("bundoc.replaces_directory is set, and no longer needed", directory=own, replaced=replaces)


def _own_id(directory: Path) -> str:
    """Return the id that lies in the directory. A new directory gets one, and so does one of an earlier version.

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
        raise CannotStart(f"{path} is damaged: bring it back from a copy, or delete it and start again to be told how")
    return text
