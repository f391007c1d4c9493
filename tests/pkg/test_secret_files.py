from __future__ import annotations

import os
from pathlib import Path

from bunbase.pkg.secret_files import create_secret_file, replace_secret_file


def test_a_secret_file_is_made_once_and_private_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "key"
    old = os.umask(0)

    try:
        first, second = create_secret_file(path, "one"), create_secret_file(path, "two")
    finally:
        os.umask(old)

    assert (first, second, path.read_text()) == (True, False, "one")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


def test_replacing_a_secret_file_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    create_secret_file(path, "one")

    replace_secret_file(path, "two")

    assert path.read_text() == "two"
    assert [one.name for one in tmp_path.iterdir()] == ["key"]
