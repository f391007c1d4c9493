"""Rules for the names of functions and variables."""

from __future__ import annotations

import re
from typing import Final

from bunbase.pkg.errors import InvalidInput

FUNCTION: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


def could_be_function(name: str) -> bool:
    """True if a function can have this name. No other name must reach PostgreSQL, which refuses NUL in a text."""
    return FUNCTION.fullmatch(name) is not None


def could_be_variable(name: str) -> bool:
    return VARIABLE.fullmatch(name) is not None


def check_function_name(name: str) -> None:
    """Check the name of a new function. Raises: InvalidInput."""
    if not could_be_function(name):
        raise InvalidInput.at(
            "/name", "A function's name has at most 63 characters (a-z, 0-9, -) and begins with a letter."
        )


def check_variable_name(name: str) -> None:
    """Check the name of a new variable. Raises: InvalidInput."""
    if not could_be_variable(name):
        raise InvalidInput.at(
            "/name", "A variable's name has at most 64 characters (A-Z, 0-9, _) and begins with a letter or _."
        )
