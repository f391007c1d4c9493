"""Compare a collection of bunbase.toml with the same collection on the server. This module sends no requests."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET

from bunbase.cli.toml_writing import same
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec, IndexSpec, IndexState, Rules

FLAGS: Final = ("strict", "before_images")  # a flag is false if the file does not set it
OPERATIONS: Final = ("list", "get", "create", "update", "delete")


def needed(spec: CollectionSpec, now: Collection | None) -> CollectionSpec:
    """Return the members of `spec` that differ on the server.

    A member with the value UNSET does not need to be sent.
    """
    if now is None:
        flags = {name: getattr(spec, name) for name in FLAGS}
        return msgspec.structs.replace(spec, **{name: one or UNSET for name, one in flags.items()})
    return CollectionSpec(
        indexes=UNSET if spec.indexes is UNSET else _needed_indexes(spec.indexes, now),
        rules=UNSET if spec.rules is UNSET or not rule_changes(spec.rules, now.rules) else spec.rules,
        expires=UNSET if spec.expires == now.expires else spec.expires,
        schema=UNSET if spec.schema is UNSET or same(spec.schema, now.schema) else spec.schema,
        strict=UNSET if spec.strict is bool(now.strict) else spec.strict,
        before_write=UNSET if spec.before_write == now.before_write else spec.before_write,
        before_images=UNSET if spec.before_images is now.before_images else spec.before_images,
        max_scan=UNSET if spec.max_scan == now.max_scan else spec.max_scan,
    )


def is_empty(spec: CollectionSpec) -> bool:
    return all(getattr(spec, name) is UNSET for name in CollectionSpec.__struct_fields__)


def altered(now: Collection, spec: CollectionSpec) -> tuple[dict[str, Any] | None, bool]:
    """Return the schema of the collection after the change, and whether it is strict."""
    schema = now.schema if spec.schema is UNSET else spec.schema
    return schema, bool(now.strict) if spec.strict is UNSET else spec.strict


def rule_changes(wanted: Rules | None, now: Rules | None) -> list[tuple[str, bool, bool]]:
    """Return the rules that differ: for each, its name, whether the server has it, and whether the file has it."""
    mine, theirs = sources(wanted), sources(now)
    names = sorted(mine.keys() | theirs.keys())
    return [(name, name in theirs, name in mine) for name in names if mine.get(name) != theirs.get(name)]


def sources(rules: Rules | None) -> dict[str, str]:
    """Return the rules by name, such as `get` or `hidden.email`."""
    if rules is None:
        return {}
    found = {name: getattr(rules, name) for name in OPERATIONS if getattr(rules, name) is not None}
    return found | {f"hidden.{path}": source for path, source in rules.hidden.items()}


def own_indexes(now: Collection) -> list[IndexSpec]:
    """Return the indexes that developers made, as specifications. All other indexes belong to the schema."""
    return [wanted_as(one) for one in now.indexes if not one.system]


def wanted_as(index: IndexState) -> IndexSpec:
    """Return the specification that would create this index."""
    return IndexSpec(**{name: getattr(index, name) for name in IndexSpec.__struct_fields__})


def index_changes(
    wanted: tuple[IndexSpec, ...], now: Collection | None
) -> tuple[list[IndexSpec], list[IndexSpec], tuple[IndexSpec, ...]]:
    """Return the indexes to build, the indexes to drop, and the whole list to send.

    A wanted index without a name matches any existing index with the same description.
    """
    free = own_indexes(now) if now else []
    sent: list[IndexSpec] = []
    new: list[IndexSpec] = []
    # match indexes with names first, because each of them can match only one index
    for index in sorted(wanted, key=lambda one: not one.name):
        found = next((one for one in free if _is(index, one)), None)
        if found is None:
            new.append(index)
        else:
            free.remove(found)
        sent.append(found or index)
    return new, free, tuple(sent)


def index_name(index: IndexSpec) -> str:
    return index.name or ",".join(index.fields)


def _needed_indexes(wanted: tuple[IndexSpec, ...], now: Collection) -> Any:
    new, gone, sent = index_changes(wanted, now)
    return sent if new or gone else UNSET


def _is(wanted: IndexSpec, found: IndexSpec) -> bool:
    return _described(found) == _described(wanted if wanted.name else msgspec.structs.replace(wanted, name=found.name))


def _described(index: IndexSpec) -> bytes:
    """Return the description as JSON, because Python treats 1, 1.0 and True as equal, also in filters."""
    return msgspec.json.encode(index, order="sorted")
