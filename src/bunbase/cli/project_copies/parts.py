"""The flag for parts of a project that are copied only on request."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from cyclopts import Parameter


class Extra(StrEnum):
    USERS = "users"


With = Annotated[
    tuple[Extra, ...],
    Parameter(
        name="--with",
        negative="",
        show_default=False,
        help="Also this part. users: with the hashes of passwords; needs the role admin.",
    ),
]
