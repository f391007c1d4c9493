"""A change that makes a project match bunbase.toml."""

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
# the names of some changes begin with these words, so no collection may have one of these names
SECTIONS: Final = frozenset({"auth", "collections"})
MAX_UNKNOWN: Final = 5  # the limit of unknown names in `--allow-losing` that an error message lists


class ChangeClass(StrEnum):
    ADDITIVE = "additive"  # nothing that exists changes
    REWRITING = "rewriting"  # something that exists is replaced or built again; no data is lost
    LOSING = "losing"  # data is lost, or documents no longer match their schema


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """A change. `name`: the changed part, such as `posts.price`, for `--allow-losing`.

    `documents`: the number of affected documents.

    `complete`: false if counting took too long, so that the real number may be higher. `blocked`: the change cannot
    work, and no flag allows it.
    """

    name: str
    effect: ChangeClass = msgspec.field(name="class")
    change: str
    documents: int | None = None
    complete: bool = True
    blocked: bool = False

    @property
    def count(self) -> str:
        """Return the number of documents as text for people."""
        if self.documents is None:
            return ""
        return str(self.documents) if self.complete else f"at least {self.documents}"


class LosingChanges(Usage):
    """The plan would lose data, and no flag allows this. `items`: the changes that lose data."""

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
    """Return the name of a change for `--allow-losing`. The name is safe in every shell.

    People copy the flag from the plan into a shell, but users of an app can choose the names of fields in documents. So
    all characters except letters, digits, `_`, `-` and `.` are percent-encoded, as in a URL.
    """
    return "".join(one if one.isalnum() or one in PLAIN else quote(one, safe="") for one in name)


def name_of(collection: str, *parts: str) -> str:
    """Return the name of a change of a collection, or of its settings `parts`.

    The name is unique within the project.
    """
    section = ("collections",) if collection in SECTIONS else ()
    return ".".join((*section, collection, *parts))


def name_of_field(collection: str, field: str) -> str:
    """Return the name of a change of a field: `posts.price`, or `posts.schema.expires` if a setting has its name."""
    below = ("schema",) if field.partition(".")[0] in CollectionSpec.__struct_fields__ else ()
    return flag_name(name_of(collection, *below, field))


def allowing(changes: Iterable[Change]) -> str:
    """Return the flags that allow the losing changes in this list."""
    return " ".join(f"{ALLOW} {one.name}" for one in changes if one.effect is ChangeClass.LOSING and not one.blocked)


def check_losing(changes: Iterable[Change], allowed: Sequence[str]) -> None:
    """Raises: LosingChanges if a losing change is not in `allowed`; Failure for changes that the server refuses."""
    changes = [one for one in changes if one.effect is ChangeClass.LOSING]
    if blocked := [one for one in changes if one.blocked]:
        named = "; ".join(f"{one.name}: {one.change}{_counted(one)}" for one in blocked)
        raise Failure("blocked_change", f"Nothing was changed. Correct this first: {named}.")
    given = {*allowed, *map(flag_name, allowed)}
    if missing := [one for one in changes if one.name not in given]:
        raise LosingChanges(missing, [name for name in allowed if name not in {one.name for one in changes}])


def _unknown(items: Sequence[Change], allowed: Sequence[str]) -> str:
    """Return a line for each allowed name that is not in the plan."""
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
