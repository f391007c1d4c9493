"""Variants of images while their object changes, while a slow caller reads them, and after damage."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import pyvips

from bunbase.contracts.images import ImageTooLarge, Transform
from bunbase.contracts.storage import NewBucket, ObjectDamaged, Opened, Piece, Place, Reading
from bunbase.storage.acts.access import Access
from bunbase.storage.acts.variants import PIECE_BYTES
from bunbase.storage.service import StorageService
from tests.fakes import FakeKms
from tests.rooms import secret_caller
from tests.storage.acts.test_restoring import copied, restored
from tests.storage.images import pictures
from tests.storage.room import SECRET, opened_storage, put
from tests.storage.whole.test_images import got, kept

JPEG = Transform(width=64, format="jpeg")
LARGE = Transform(format="png")


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[StorageService]:
    async with opened_storage(tmp_path, FakeKms()) as storage:
        await storage.create_bucket(SECRET, NewBucket(name="files"))
        yield storage


def noise(side: int = 1100) -> bytes:
    """Return an image whose PNG has several pieces."""
    return bytes(
        pyvips.Image.gaussnoise(side, side, sigma=60).cast("uchar").copy(interpretation="b-w").pngsave_buffer()
    )


async def test_a_replaced_object_never_gives_its_new_picture_to_a_caller_of_the_old_one(alone: StorageService) -> None:
    await put(alone, "a", pictures.jpeg(200, 100))
    need_read, replaced = Access.need_read, 0

    async def slow(*args: Any) -> None:
        nonlocal replaced
        await need_read(*args)  # the rules have decided about the old object
        replaced += 1
        if replaced == 1:
            await put(alone, "a", pictures.jpeg(100, 200))
            await got(alone, "a", JPEG)

    with patch.object(Access, "need_read", slow):
        image = pictures.opened(await got(alone, "a", JPEG))

    assert (image.width, image.height) == (64, 32)
    assert pictures.opened(await got(alone, "a", JPEG)).height == 128


async def test_a_variant_that_was_begun_before_a_restore_is_not_kept_after_it(alone: StorageService) -> None:
    other = secret_caller("prj_b")
    await alone.create_bucket(other, NewBucket(name="files"))
    await put(alone, "a", pictures.jpeg(200, 100), caller=other)
    await put(alone, "a", pictures.jpeg(100, 200))
    copy = await copied(alone)
    make = alone.variants.makers.make

    async def slow(*args: Any) -> Any:
        made = await make(*args)
        await restored(alone, copy, "prj_b")
        return made

    with patch.object(alone.variants.makers, "make", slow):
        assert pictures.opened(await got(alone, "a", JPEG, other)).height == 32

    assert pictures.opened(await got(alone, "a", JPEG, other)).height == 128


@pytest.mark.parametrize("first", [True, False])
async def test_a_slow_caller_gets_the_whole_variant_of_an_object_that_is_deleted(
    alone: StorageService, first: bool
) -> None:
    await put(alone, "a", noise())
    whole = await got(alone, "a", LARGE) if not first else b""
    parts = alone.read(SECRET, Reading(Place("files", "a"), transform=LARGE))
    opened = await anext(parts)
    piece = await anext(parts)
    assert isinstance(opened, Opened)
    assert isinstance(piece, Piece)
    assert 0 < len(piece.data) < opened.object.size

    await alone.delete_object(SECRET, Place("files", "a"))
    await alone.sweeping.sweep()
    rest = b"".join([one.data async for one in parts if isinstance(one, Piece)])

    assert len(piece.data + rest) == opened.object.size
    assert not alone.sweeping.used
    assert first or piece.data + rest == whole


async def test_a_variant_whose_later_bytes_are_damaged_is_made_again(alone: StorageService, tmp_path: Path) -> None:
    await put(alone, "a", noise())
    whole = await got(alone, "a", LARGE)
    [(_, blob)] = await kept(alone)
    path = tmp_path / "storage/blobs/prj_a" / blob[:2] / blob
    path.write_bytes(path.read_bytes()[:-100] + bytes(100))

    with pytest.raises(ObjectDamaged):
        await got(alone, "a", LARGE)

    assert await got(alone, "a", LARGE) == whole


async def test_callers_that_wait_hold_one_piece_of_a_new_variant_in_memory(alone: StorageService) -> None:
    await put(alone, "a", noise())
    readers, sizes = [], []
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for width in range(800, 1056, 32):
            parts = alone.read(SECRET, Reading(Place("files", "a"), transform=Transform(width=width, format="png")))
            opened = await anext(parts)
            assert isinstance(opened, Opened)
            sizes.append(opened.object.size)
            readers.append(parts)
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
        for parts in readers:
            await parts.aclose()  # type: ignore[attr-defined]  # it is a generator, which the contract does not promise

    assert min(sizes) > 2 * PIECE_BYTES
    assert held < 1.5 * len(sizes) * PIECE_BYTES < sum(sizes)
    assert not alone.sweeping.used


async def test_a_head_and_a_range_leave_nothing_in_use(alone: StorageService) -> None:
    await put(alone, "a", noise())
    whole = await got(alone, "a", LARGE)

    for head, range, expected in ((True, "", b""), (False, "bytes=600000-600009", whole[600_000:600_010])):
        reading = Reading(Place("files", "a"), head=head, range=range, transform=LARGE)
        pieces = [one.data async for one in alone.read(SECRET, reading) if isinstance(one, Piece)]
        assert b"".join(pieces) == expected
        assert not alone.sweeping.used


async def test_a_refused_image_is_not_decoded_again_by_each_request(alone: StorageService) -> None:
    await put(alone, "a", pictures.bomb())
    forks = alone.variants.makers.forks

    for _ in range(3):
        with pytest.raises(ImageTooLarge, match="10000 x 6000"):
            await got(alone, "a")
    assert forks.made == 1
    alone.variants.refused.clear()  # as after its time
    with pytest.raises(ImageTooLarge):
        await got(alone, "a")
    assert forks.made == 2

    await put(alone, "a", pictures.jpeg())
    assert pictures.opened(await got(alone, "a")).width == 64
