"""Replaces `{{STRIPE_KEY}}` in request headers with the variable's value. The function itself never has the value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bunbase.contracts.functions.host_calls import InvalidFetch, SecretNotFound
from bunbase.functions.workers.answer_head import Headers

PLACEHOLDER: Final = re.compile(r"\{\{\s*([A-Z_][A-Z0-9_]{0,63})\s*\}\}")
HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


# All headers together have at most this size, because 32 KiB of `{{A}}` could become 200 MB.
MAX_FILLED_CHARACTERS: Final = 64 << 10


def has_placeholder(value: str) -> bool:
    return PLACEHOLDER.search(value) is not None


def filled_in(headers: Headers, variables: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return the headers with all placeholders replaced. Raises: the same errors as `fill_in`."""
    filled, left = [], MAX_FILLED_CHARACTERS
    for name, value in headers:
        sent = fill_in(value, variables, left)
        left -= len(sent)
        filled.append((name.encode(), sent.encode("latin-1")))
    return filled


def fill_in(value: str, variables: Mapping[str, str], most: int = MAX_FILLED_CHARACTERS) -> str:
    """Replace the placeholders in one header value. `most`: the number of characters that the result may have.

    Raises: SecretNotFound; InvalidFetch if the result is not a valid header value. These errors do not show a
    variable's value.
    """
    length = len(value)

    def value_of(found: re.Match[str]) -> str:
        nonlocal length
        name = found[1]
        if name not in variables:
            raise SecretNotFound(
                f"A header contains {{{{{name}}}}}, but the project has no variable {name}. Set the variable first."
            )
        secret = variables[name].strip()  # A line break at the end of a pasted key is not part of the key.
        length += len(secret)
        if length > most:
            raise InvalidFetch(
                f"Headers may have at most {MAX_FILLED_CHARACTERS >> 10} KiB in total after variables are filled in."
            )
        return secret

    filled = PLACEHOLDER.sub(value_of, value).strip(" \t")  # An empty variable may leave a space at either end.
    if not HEADER_VALUE.fullmatch(filled):
        raise InvalidFetch("A header contains a variable whose value is not allowed in a header.")
    return filled
