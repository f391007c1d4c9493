"""What functions and variables may be called."""

from __future__ import annotations

import re
from typing import Final

from bunbase.pkg.errors import InvalidInput

FUNCTION: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,63}")


def could_be_function(name: str) -> bool:
    """False for what no function is called: it need not be looked for, and PostgreSQL takes no NUL."""
    return FUNCTION.fullmatch(name) is not None


def could_be_variable(name: str) -> bool:
    return VARIABLE.fullmatch(name) is not None


def check_function_name(name: str) -> None:
    """Raises: InvalidInput."""
    if not could_be_function(name):
        _refuse("A function's name begins with a letter: a-z, 0-9 and -, at most 63 characters.")


def check_variable_name(name: str) -> None:
    """Raises: InvalidInput."""
    if not could_be_variable(name):
        _refuse("A variable's name begins with a letter or _: A-Z, 0-9 and _, at most 64 characters.")


def _refuse(message: str) -> None:
    raise InvalidInput(message, errors=[{"path": "/name", "message": message}])
