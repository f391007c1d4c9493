"""The errors of SQLite after which a file is damaged, or must not be used any more."""

from __future__ import annotations

from typing import Final

import apsw

DAMAGE: Final = (apsw.NotADBError, apsw.CorruptError)  # After such an error, the key is wrong, or pages are changed.
DISTRUST: Final = (apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.ProtocolError)


class FileUnreadable(Exception):
    """A project's database or key file is missing or damaged, or the key is wrong. The message is for operators."""


def is_damage(error: apsw.Error) -> bool:
    """True if the file is damaged, so that opening it again would give the same error."""
    return isinstance(error, DAMAGE)


def is_lasting(error: apsw.Error) -> bool:
    """True if the open file must not be used any more."""
    return isinstance(error, (*DAMAGE, *DISTRUST))
