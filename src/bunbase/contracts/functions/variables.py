"""Environment variables of functions."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Variable(msgspec.Struct, frozen=True, omit_defaults=True):
    """`value` is present only if an owner or admin asked to reveal it.

    `exposed`: true if functions can read the variable. Otherwise functions can only name it in a header of a `fetch`,
    and BunBase inserts the value.
    """

    name: str
    updated_at: datetime
    value: str | None = None
    exposed: bool = True


class Variables(msgspec.Struct, frozen=True):
    items: tuple[Variable, ...]
    next: str | None = None
