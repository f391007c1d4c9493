"""A change of a project that would make it what bunbase.toml says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

import msgspec

from bunbase.cli.errors import Failure, Usage
from bunbase.contracts.bundoc.collections import CollectionSpec

ALLOW: Final = "--allow-losing"
PLAIN: Final = frozenset("_-.")
SECTIONS: Final = frozenset({"auth", "collections"})  # names of changes begin with them, so collections may not
MAX_UNKNOWN: Final = 5  # names of `--allow-losing` that a refusal explains


class ChangeClass(StrEnum):
    ADDITIVE = "additive"  # nothing that exists changes
    REWRITING = "rewriting"  # something that exists is replaced or built again; no data is lost
    LOSING = "losing"  # data is lost, or documents no longer match their schema


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """`name`: what changes, such as `posts.price`; `--allow-losing` takes it. `documents`: the number of documents that
    are concerned.

    `complete`: false if counting took too long, so that there may be more. `blocked`: it cannot work, and no flag
    allows it.
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


class LosingChanges(Usage):
    """The plan would lose something that no flag allows. `items`: these changes."""

    def __init__(self, items: Sequence[Change], allowed: Sequence[str]) -> None:
        named = "\n".join(f"  {one.name}: {one.change}{_counted(one)}" for one in items)
        super().__init__(
            f"Nothing was changed, because this would lose something:\n{named}\n"
            f"To go on, name each of them: {allowing(items)}\n"
            f"To keep a copy of the documents first: bunbase backup create{_unknown(items, allowed)}",
            "losing_changes",
        )
        self.items = items

    def document(self) -> dict[str, Any]:
        return super().document() | {"items": msgspec.to_builtins(self.items)}


def flag_name(name: str) -> str:
    """Return the name of a change as `--allow-losing` takes it, which is safe in every shell.

    People copy the flag from the plan into a shell, and users of an app choose the names of fields in its documents. So
    all characters but letters, digits, `_`, `-` and `.` are written as in a URL.
    """
    return "".join(one if one.isalnum() or one in PLAIN else quote(one, safe="") for one in name)


def name_of(collection: str, *parts: str) -> str:
    """Return the name of a change of a collection, or of its settings `parts`. No other part of a project has it."""
    section = ("collections",) if collection in SECTIONS else ()
    return ".".join((*section, collection, *parts))


def name_of_field(collection: str, field: str) -> str:
    """Return the name of a change of a field: `posts.price`, but `posts.schema.expires`: `expires` is a setting."""
    below = ("schema",) if field.partition(".")[0] in CollectionSpec.__struct_fields__ else ()
    return flag_name(name_of(collection, *below, field))


def allowing(changes: Iterable[Change]) -> str:
    """Return the flags that allow the losing changes among these changes."""
    return " ".join(f"{ALLOW} {one.name}" for one in changes if one.effect is ChangeClass.LOSING and not one.blocked)


def check_losing(changes: Iterable[Change], allowed: Sequence[str]) -> None:
    """Raises: LosingChanges if `allowed` does not name them all; Failure for changes that the server refuses."""
    changes = [one for one in changes if one.effect is ChangeClass.LOSING]
    if blocked := [one for one in changes if one.blocked]:
        named = "; ".join(f"{one.name}: {one.change}{_counted(one)}" for one in blocked)
        raise Failure("blocked_change", f"Nothing was changed. Correct this first: {named}.")
    given = {*allowed, *map(flag_name, allowed)}
    if missing := [one for one in changes if one.name not in given]:
        raise LosingChanges(missing, [name for name in allowed if name not in {one.name for one in changes}])


def _unknown(items: Sequence[Change], allowed: Sequence[str]) -> str:
    """Return a line for each allowed name that the plan does not have."""
    told = ""
    for name in allowed[:MAX_UNKNOWN]:
        near = get_close_matches(name, [one.name for one in items], 1)
        advice = f" Did you mean {near[0]}?" if near else ""
        told += f"\n{ALLOW} {name} names no losing change of this plan.{advice}"
    return told


def _counted(change: Change) -> str:
    if not change.count:
        return ""
    return f" ({change.count} {'document' if change.count == '1' else 'documents'})"
