"""Read the meaning of each setting from the docstring of its Struct.

    `port`: the port of the API. `host`: the address that the server listens on; `::` for all.

A description begins after the name in backticks and a colon, and ends at the next name or at the end of the paragraph.
"""

from __future__ import annotations

import inspect
import re
from typing import Any, Final

import msgspec

ITEM: Final = re.compile(r"(?:^|(?<=[\s]))`(\w+)`: ")


def descriptions(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Return a text of one or more sentences for each described setting, by its name."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        for paragraph in inspect.cleandoc(vars(base).get("__doc__") or "").split("\n\n"):
            found |= _items(paragraph)
    return {name: found[name] for name in kind.__struct_fields__ if name in found}


def introduction(kind: type[msgspec.Struct]) -> str:
    """Return the first paragraph of the docstring, without the descriptions of settings."""
    first = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0]
    return ITEM.split(" ".join(first.split()))[0].strip()


def default_of(kind: type[msgspec.Struct], name: str) -> Any:
    """Return the default of a setting; every setting has one."""
    return getattr(kind(), name)


def _items(paragraph: str) -> dict[str, str]:
    parts = ITEM.split(" ".join(paragraph.split()))
    return {name: _sentence(text) for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:]
