"""Measure the files of projects, without opening them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bunbase.bundoc.sqlite_engine.open_files import PROJECT
from bunbase.contracts.bundoc.documents import StoredSize
from bunbase.pkg.sealed_sqlite.files import modified_at, size_of

NANOSECONDS: Final = 1_000_000_000


def sizes_in(directory: Path, projects: Iterable[str] | None) -> dict[str, StoredSize]:
    """Return the sizes of these projects, or of all projects. Projects without a file are left out."""
    names = os.listdir(directory) if projects is None else projects
    found = {name: _size(directory / name) for name in names if PROJECT.fullmatch(name)}
    return {name: size for name, size in found.items() if size is not None}


def _size(directory: Path) -> StoredSize | None:
    try:
        written_at = modified_at(directory)
        if written_at is None:
            return None
        return StoredSize(size_of(directory), datetime.fromtimestamp(written_at // NANOSECONDS, UTC))
    except FileNotFoundError:  # The project was deleted, or its log was merged, in between.
        return None
