"""Flags for scopes, and the text of scopes in lists."""

from __future__ import annotations

from typing import Annotated, Final

from cyclopts import Parameter
from cyclopts.validators import Number

DAY_SECONDS: Final = 86400

ScopeFlags = Annotated[
    tuple[str, ...],
    Parameter(
        name="--scope",
        negative="",
        show_default=False,
        help="A scope, as data:read or functions:deploy. Repeat the flag for several scopes.",
    ),
]
ExpiryFlag = Annotated[
    int | None,
    Parameter(validator=Number(gte=1, lte=3660), show_default=False, help="Days until it expires. Default: never."),
]


def shown(values: tuple[str, ...] | None, otherwise: str) -> str:
    """Return the values as text for a table, or `otherwise` if there are no values."""
    return " ".join(values) if values else otherwise
