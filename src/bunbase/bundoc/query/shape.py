"""The shape of a filter: its fields and operators.

The shape has no values, because the log must not contain data of documents.
"""

from __future__ import annotations

from typing import Any, Final

from bunbase.bundoc.query.filters import And, Compare, Element, Not, Or

MAX_LENGTH: Final = 300
MAX_DEPTH: Final = 8


def shape(where: Any, depth: int = 0) -> str:
    """Return fields and operators, such as `status = ? and total > ?`."""
    if depth > MAX_DEPTH:
        return "…"
    text = _text(where, depth)
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1] + "…"


def _text(where: Any, depth: int) -> str:
    match where:
        case And(parts):
            return _joined(" and ", parts, depth) or "everything"
        case Or(parts):
            return _joined(" or ", parts, depth) or "nothing"
        case Not(part):
            return f"not ({shape(part, depth + 1)})"
        case Element(path, part, _):
            return f"{'.'.join(path)}[{shape(part, depth + 1)}]"
        case Compare(path, op, _):
            return f"{'.'.join(path)} {op} ?"
    return f"{'.'.join(getattr(where, 'path', ()))} {type(where).__name__} ?".lstrip()


def _joined(word: str, parts: tuple[Any, ...], depth: int) -> str:
    said = [shape(part, depth + 1) for part in parts]
    return (
        said[0] if len(said) == 1 else word.join(f"({one})" if " and " in one or " or " in one else one for one in said)
    )
