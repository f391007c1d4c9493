"""Show a plan: first the server and the project, then the changes, with losing changes last."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from bunbase.cli.output import Output
from bunbase.cli.plans.changes import Change, ChangeClass
from bunbase.cli.plans.plan import Place, Plan

ORDER: Final = tuple(ChangeClass)


def show_place(place: Place, out: Output) -> None:
    if place.warning:
        out.warn(place.warning)
    out.hint(f"The project is {place}.")


def show_changes(changes: tuple[Change, ...], out: Output) -> None:
    """Print a table of the changes, and the number of changes in each class."""
    if not changes:
        out.done("The project is what bunbase.toml says.")
        return
    rows = [(one.effect.value, one.name, one.change, one.count) for one in in_order(changes)]
    out.table(("class", "name", "change", "documents"), rows)
    counts = Counter(one.effect for one in changes)
    out.line(", ".join(f"{counts[effect]} {effect.value}" for effect in ORDER if counts[effect]))


def plan_document(plan: Plan) -> dict[str, Any]:
    """Return the plan as `diff --json` prints it."""
    counts = Counter(one.effect.value for one in plan.changes)
    return {
        "server": plan.place.server,
        "project": {"id": plan.place.id, "slug": plan.place.slug, "from": plan.place.origin},
        "items": in_order(plan.changes),
        "counts": {effect.value: counts[effect.value] for effect in ORDER},
    }


def in_order(changes: tuple[Change, ...]) -> list[Change]:
    return sorted(changes, key=lambda one: ORDER.index(one.effect))
