"""Let a person correct a wrong password or code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from bunbase.cli.errors import Refused
from bunbase.cli.output import Output

T = TypeVar("T")

MOST: Final = 3  # a person may type at most this number of answers to one question


def until_right(attempt: Callable[[], T], wrong: str, out: Output, most: int = MOST) -> T:
    """Return the result of `attempt`, which asks a question and sends the answer.

    If the server refuses the answer with the code `wrong`, `attempt` runs again, up to `most` times in all. Raises:
    Refused.
    """
    for _ in range(most - 1):
        try:
            return attempt()
        except Refused as refused:
            if refused.code != wrong:
                raise
            out.warn(refused.detail)
    return attempt()
