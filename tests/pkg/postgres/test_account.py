from __future__ import annotations

import os
from pathlib import Path

import pytest

from bunbase.pkg.postgres.account import Account, account_for
from tests.pkg.postgres.servers import as_root


@as_root
def test_root_runs_postgresql_as_the_owner_of_the_data(short: Path) -> None:
    data = short / "pg" / "data"
    data.mkdir(parents=True)
    os.chown(data, 65534, 65534)

    assert account_for(data).uid == 65534


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "enters"),
    [
        (0o700, 1, 1, True),
        (0o700, 2, 1, False),
        (0o750, 2, 1, True),
        (0o751, 2, 2, True),
        (0o750, 2, 2, False),
        (0o071, 1, 1, False),  # only the permission bits of the owner count for the owner
    ],
)
@as_root
def test_mode_owner_and_group_decide_whether_an_account_can_enter_a_directory(
    short: Path, mode: int, uid: int, gid: int, enters: bool
) -> None:
    directory = short / "door"
    directory.mkdir()
    os.chown(directory, 1, 1)
    directory.chmod(mode)

    assert Account("someone", uid, gid, "root").can_enter(directory) is enters
