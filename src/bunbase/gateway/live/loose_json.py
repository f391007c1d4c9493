"""Reads JSON that the strict decoder refuses although it is valid: a text with half of a character (`"\\ud83d"`).

Without this module, one emoji could close a connection. An application cut a text in the middle of an emoji. The server
treated the message as unreadable, and closed the whole connection with all live queries of the client. When the client
sent the message again, the server closed the connection again. A whole number with more than 4,300 digits had the same
effect, because Python refuses to convert it.
"""

from __future__ import annotations

import json
import math
from typing import Any, Final, NoReturn

COMPACT: Final = (",", ":")


def loosely_read(text: bytes) -> Any:
    """Return the value of JSON, whose strings may have unpaired surrogates. Raises: ValueError, RecursionError."""
    return json.loads(text.decode(), parse_constant=_refuse, parse_int=_whole)


def loose_object(text: bytes) -> dict[str, Any] | None:
    """Return a JSON object. Return {} if the text is nested too deeply, and None if the text is not an object."""
    try:
        found = loosely_read(text)
    except RecursionError:
        return {} if text.strip()[:1] + text.strip()[-1:] == b"{}" else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def loose_texts(values: list[Any]) -> list[bytes]:
    """Return the JSON text of each value. Raises: ValueError for numbers that JSON does not have."""
    return [_text(value) for value in values]


def _whole(digits: str) -> float:
    """Return a whole number. If it has more digits than Python converts, return infinity, as for 1e999."""
    try:
        return int(digits)
    except ValueError:
        return math.inf


def _text(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=COMPACT).encode()
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False, separators=COMPACT).encode()


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
