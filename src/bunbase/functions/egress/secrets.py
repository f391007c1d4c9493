"""`{{STRIPE_KEY}}` in a request header: the host writes the variable's value there, and the function never holds it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bunbase.contracts.host_calls import InvalidFetch, SecretNotFound

PLACEHOLDER: Final = re.compile(r"\{\{\s*([A-Z_][A-Z0-9_]{0,63})\s*\}\}")
HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def has_placeholder(value: str) -> bool:
    return PLACEHOLDER.search(value) is not None


def fill_in(value: str, variables: Mapping[str, str]) -> str:
    """Raises: SecretNotFound, InvalidFetch when the result is no header value; neither says what a value is."""

    def value_of(found: re.Match[str]) -> str:
        name = found[1]
        if name not in variables:
            raise SecretNotFound(
                f"A header names {{{{{name}}}}}, but the project has no variable {name}; set it first."
            )
        return variables[name].strip()  # a line break at the end of a pasted key is no part of it

    filled = PLACEHOLDER.sub(value_of, value)
    if not HEADER_VALUE.fullmatch(filled):
        raise InvalidFetch("A variable that is named in a header has a value that no header can carry.")
    return filled
