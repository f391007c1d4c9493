"""A change of a project that would make it what bunbase.toml says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from bunbase.cli.errors import Failure, Usage

ALLOW: Final = "--allow-losing"


class ChangeClass(StrEnum):
    ADDITIVE = "additive"  # nothing that exists changes
    REWRITING = "rewriting"  # something that exists is replaced or built again; no data is lost
    LOSING = "losing"  # data is lost, or documents no longer match their schema


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """`name`: what changes, such as `posts.price`; `--allow-losing` takes it. `documents`: how many are concerned.

    `complete`: false if counting took too long, so that there may be more. `blocked`: the server would refuse it.
    """

    name: str
    effect: ChangeClass = msgspec.field(name="class")
    change: str
    documents: int | None = None
    complete: bool = True
    blocked: bool = False

    @property
    def count(self) -> str:
        """Return the number of documents as people read it."""
        if self.documents is None:
            return ""
        return str(self.documents) if self.complete else f"at least {self.documents}"


def check_losing(changes: Iterable[Change], allowed: Sequence[str]) -> None:
    """Raises: Usage for losing changes that `allowed` does not name; Failure for changes that the server refuses."""
    changes = [one for one in changes if one.effect is ChangeClass.LOSING]
    if blocked := [one for one in changes if one.blocked]:
        named = "; ".join(f"{one.name}: {one.change} ({one.count} documents)" for one in blocked)
        raise Failure("blocked_change", f"Nothing was changed. Correct the documents first: {named}.")
    missing = [one for one in changes if one.name not in allowed]
    if missing:
        named = "\n".join(f"  {one.name}: {one.change}{_counted(one)}" for one in missing)
        flags = " ".join(f"{ALLOW} {one.name}" for one in missing)
        raise Usage(
            f"Nothing was changed, because this would lose something:\n{named}\nTo go on, name each of them: {flags}\n"
            "To keep a copy of the documents first: bunbase backup create",
            "losing_changes",
        )


def _counted(change: Change) -> str:
    return f" ({change.count} documents)" if change.count else ""
