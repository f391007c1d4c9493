"""SQLite deletes the log of a database whenever the last connection closes, so it may vanish at any moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from bunbase.pkg.sealed_sqlite.connection import DATABASE
from bunbase.pkg.sealed_sqlite.files import LOG, modified_at, size_of, size_or_0


def test_the_size_counts_the_database_and_its_log(tmp_path: Path) -> None:
    assert size_of(tmp_path) == 0
    (tmp_path / DATABASE).write_bytes(b"12345")
    assert size_of(tmp_path) == 5
    (tmp_path / LOG).write_bytes(b"678")
    assert size_of(tmp_path) == 8


@pytest.mark.parametrize("look", [size_of, modified_at])
def test_a_log_that_vanishes_between_two_calls_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: object
) -> None:
    (tmp_path / DATABASE).write_bytes(b"12345")
    log = tmp_path / LOG
    exists, stat = Path.exists, Path.stat

    def vanishing(path: Path) -> bool:
        found = exists(path)
        log.unlink(missing_ok=True)
        return found

    def vanished(path: Path, *, follow_symlinks: bool = True) -> object:
        if path == log:
            log.unlink(missing_ok=True)
        return stat(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "exists", vanishing)
    monkeypatch.setattr(Path, "stat", vanished)
    log.write_bytes(b"678")
    assert callable(look)
    assert look(tmp_path) is not None
    assert size_or_0(log) == 0
