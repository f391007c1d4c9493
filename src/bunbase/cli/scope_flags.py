"""Flags about scopes, and how lists show them."""

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
    """Return the values for a table; `otherwise` if there are none."""
    return " ".join(values) if values else otherwise
