"""Which errors mean that a file is damaged, or must not be used any more."""

from __future__ import annotations

from typing import Final

import apsw

DAMAGE: Final = (apsw.NotADBError, apsw.CorruptError)  # a wrong key, or pages that are not as they were written
DISTRUST: Final = (apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.ProtocolError)


class FileUnreadable(Exception):
    """A project's database or key file is missing or damaged, or the two do not fit. Its text is for operators."""


def is_damage(error: apsw.Error) -> bool:
    """True if the same error will come after the file was opened again."""
    return isinstance(error, DAMAGE)


def is_lasting(error: apsw.Error) -> bool:
    """True if the open file must not be used any more."""
    return isinstance(error, (*DAMAGE, *DISTRUST))
