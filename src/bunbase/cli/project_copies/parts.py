"""The flags for the parts of a project: users are copied only on request, and files by default."""

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


class Part(StrEnum):
    FILES = "files"


Without = Annotated[
    tuple[Part, ...],
    Parameter(
        name="--without",
        negative="",
        show_default=False,
        help="Not this part. files: the buckets with their objects.",
    ),
]
