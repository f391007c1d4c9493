"""Paths as a tree of names, so that each name of a document needs one look-up for any number of paths."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from bunbase.bundoc.query.filters import Path

TREES_KEPT: Final = 512

# The names below each name. None means that a path ends here, and stands for the whole value.
Tree = dict[str, "Tree | None"]


@lru_cache(TREES_KEPT)
def tree_of(paths: tuple[Path, ...]) -> Tree:
    """Return the tree of the paths. A path includes all longer paths below it. Callers must not change the tree."""
    tree: Tree = {}
    for path in sorted(paths, key=len):  # A path comes before the longer paths below it.
        at = tree
        *above, last = path
        for name in above:
            below = at.setdefault(name, {})
            if below is None:
                break
            at = below
        else:
            at[last] = None
    return tree
