"""Return one text for all spellings of a filter, so that a cursor is valid for each of them.

Only filters with equal meanings get equal texts. But some filters with equal meanings get different texts, because only
these differences are removed: the order, repetition and nesting in `$and` and `$or`, short forms of equality, and
different spellings of a number.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from bunbase.bundoc.query.filters import (
    And,
    Compare,
    Element,
    Exists,
    Filter,
    HasType,
    IsNull,
    Matches,
    Not,
    Or,
    Remainder,
    Same,
    Size,
    StartsWith,
)
from bunbase.bundoc.query.order import key


def meaning(where: Filter) -> str:
    """Return the text of a filter."""
    match where:
        case And():
            return _joined("and", _flat(where, And))
        case Or():
            return _joined("or", _flat(where, Or))
        case Not(part=part):
            return f"not({meaning(part)})"
        case Compare(path=path, op=op, value=value):
            return f"compare({path!r},{op},{key(value).hex()})"
        case Element(path=path, part=part, objects=objects):
            return f"element({path!r},{objects},{meaning(part)})"
        case Same() | IsNull() | StartsWith() | Matches() | Exists() | Size() | HasType() | Remainder():
            return repr(msgspec.structs.astuple(where)) + type(where).__name__
        case _:
            assert_never(where)


def _flat(where: And | Or, kind: type[And | Or]) -> list[str]:
    """Return the texts of the parts. If a part is of the same kind, its own parts replace it."""
    found: list[str] = []
    for part in where.parts:
        if isinstance(part, And | Or) and (type(part) is kind or len(part.parts) == 1):
            found.extend(_flat(part, kind))
        else:
            found.append(meaning(part))
    return found


def _joined(word: str, parts: list[str]) -> str:
    different = sorted(set(parts))
    return different[0] if len(different) == 1 else f"{word}({';'.join(different)})"
