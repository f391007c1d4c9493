"""Bundoc serves only from the directory that holds the documents of its installation."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from bunbase.bundoc.settings import BundocSettings
from bunbase.pkg.errors import CannotStart, Unreachable
from bunbase.pkg.sealed_sqlite.directory_id import FILE, WrongDirectory
from tests.bundoc.backups.backed_up import put, whole_bundoc
from tests.fakes import FakeKms

ID = r"dir_[0-9a-z]{26}"


async def filled(data_dir: Path, kms: FakeKms) -> None:
    async with whole_bundoc(data_dir, kms) as bundoc:
        await put(bundoc, "bread")


async def has_bread(data_dir: Path, kms: FakeKms, settings: BundocSettings | None = None) -> bool:
    async with whole_bundoc(data_dir, kms, settings or BundocSettings()) as bundoc:
        return bool(await bundoc.documents.engine.get("prj_a", "posts", "bread"))


def id_in(data_dir: Path) -> str:
    return (data_dir / "bundoc" / FILE).read_text().strip()


async def test_an_empty_directory_is_refused_if_the_documents_are_elsewhere(tmp_path: Path, kms: FakeKms) -> None:
    """In this test, the real directory was not mounted.

    No client may get 404 for an existing document, or the same revision twice.
    """
    await filled(tmp_path / "right", kms)

    for _ in range(2):  # An id that the first attempt left behind must not help the second attempt.
        with pytest.raises(WrongDirectory) as refused:
            await filled(tmp_path / "empty", kms)

    said = str(refused.value)
    assert f"{tmp_path}/empty/bundoc has the id" in said
    assert f"BUNBASE_BUNDOC__REPLACES_DIRECTORY={id_in(tmp_path / 'right')}" in said
    assert await has_bread(tmp_path / "right", kms)


async def test_a_second_bundoc_on_another_directory_is_refused(tmp_path: Path, kms: FakeKms) -> None:
    async with whole_bundoc(tmp_path / "first", kms) as bundoc:
        with pytest.raises(WrongDirectory):
            await filled(tmp_path / "second", kms)
        await put(bundoc, "bread")


@pytest.mark.parametrize("documents", [True, False])
async def test_a_directory_of_an_earlier_version_gets_an_id(tmp_path: Path, kms: FakeKms, documents: bool) -> None:
    async with whole_bundoc(tmp_path, kms) as bundoc:
        if documents:
            await put(bundoc, "bread")
    (tmp_path / "bundoc" / FILE).unlink()
    kms.directories.clear()

    assert await has_bread(tmp_path, kms) is documents

    assert re.fullmatch(ID, id_in(tmp_path))
    assert kms.directories == {"bundoc": id_in(tmp_path)}


async def test_a_directory_may_be_moved_to_another_path(tmp_path: Path, kms: FakeKms) -> None:
    await filled(tmp_path / "old", kms)

    shutil.move(tmp_path / "old", tmp_path / "new")

    assert await has_bread(tmp_path / "new", kms)


async def test_only_one_new_directory_may_replace_a_lost_one(tmp_path: Path, kms: FakeKms) -> None:
    """The setting names the lost directory. The setting may stay, because it does not allow a third directory."""
    await filled(tmp_path / "lost", kms)
    replacing = BundocSettings(replaces_directory=id_in(tmp_path / "lost"))

    assert not await has_bread(tmp_path / "new", kms, replacing)

    assert not await has_bread(tmp_path / "new", kms)
    for wrong in ("third", "lost"):
        with pytest.raises(WrongDirectory):
            await has_bread(tmp_path / wrong, kms, replacing)


async def test_a_wrong_directory_id_in_the_setting_replaces_nothing(tmp_path: Path, kms: FakeKms) -> None:
    await filled(tmp_path / "right", kms)

    with pytest.raises(WrongDirectory):
        await has_bread(tmp_path / "other", kms, BundocSettings(replaces_directory="again"))


async def test_nothing_is_served_before_bunkms_has_confirmed_the_directory(tmp_path: Path, kms: FakeKms) -> None:
    kms.reachable = False

    with pytest.raises(Unreachable):  # A later start succeeds.
        await filled(tmp_path, kms)
    kms.reachable = True

    await filled(tmp_path, kms)


async def test_a_damaged_directory_id_is_reported_at_the_start(tmp_path: Path, kms: FakeKms) -> None:
    await filled(tmp_path, kms)
    (tmp_path / "bundoc" / FILE).write_text("")

    with pytest.raises(CannotStart, match=r"directory\.id is damaged"):
        await filled(tmp_path, kms)
