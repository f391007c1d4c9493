"""Blobs of random sizes, read back whole and in ranges, and damaged in every way that a disk or a thief could."""

from __future__ import annotations

import os
import random

import pytest

from bunbase.storage.blobs.format import (
    CHUNK_BYTES,
    HEADER_BYTES,
    SEALED_CHUNK,
    Damaged,
    Sealer,
    chunk_count,
    open_chunks,
    open_header,
    root_id_of,
    sealed_size,
    sealed_span,
)
from tests.seeds import seeds

ROOT = bytes(range(32))
EDGES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 7]


def sealed_in_pieces(content: bytes, draw: random.Random, project: str = "prj_a", blob: str = "blb_1") -> bytes:
    sealer, at = Sealer(ROOT, 7, project, blob), 0
    found = sealer.header
    while at < len(content):
        size = draw.choice([1, 1000, CHUNK_BYTES - 1, CHUNK_BYTES, 5 * CHUNK_BYTES])
        found += b"".join(sealer.seal(content[at : at + size]))
        at += size
    return found + sealer.finish()


def opened(blob: bytes, size: int, project: str = "prj_a", name: str = "blb_1", root: bytes = ROOT) -> bytes:
    key = open_header(root, project, name, blob[:HEADER_BYTES])
    return open_chunks(key, 0, chunk_count(size) - 1, blob[HEADER_BYTES:], size)


@pytest.mark.parametrize("size", EDGES)
def test_a_blob_opens_whatever_the_pieces_were(size: int) -> None:
    content = os.urandom(size)

    blobs = [sealed_in_pieces(content, random.Random(seed)) for seed in range(3)]

    for blob in blobs:
        assert len(blob) == sealed_size(size)
        assert root_id_of(blob[:HEADER_BYTES]) == 7
        assert opened(blob, size) == content
    assert len({blob[:HEADER_BYTES] for blob in blobs}) == 3


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(20))
def test_a_range_opens_from_the_chunks_it_needs_alone(seed: int) -> None:
    draw = random.Random(seed)
    content = draw.randbytes(draw.choice(EDGES[1:]))
    blob = sealed_in_pieces(content, draw)
    start = draw.randrange(len(content))
    end = draw.randrange(start, len(content)) + 1
    first, last = start // CHUNK_BYTES, (end - 1) // CHUNK_BYTES

    begin, stop = sealed_span(first, last, len(content))
    key = open_header(ROOT, "prj_a", "blb_1", blob[:HEADER_BYTES])
    found = open_chunks(key, first, last, blob[begin:stop], len(content))

    assert found[start - first * CHUNK_BYTES : end - first * CHUNK_BYTES] == content[start:end]


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(40))
def test_one_changed_bit_is_noticed(seed: int) -> None:
    draw = random.Random(seed)
    content = draw.randbytes(draw.choice(EDGES))
    blob = bytearray(sealed_in_pieces(content, draw))
    # Every second case changes the header.
    at = draw.randrange(HEADER_BYTES if seed % 2 else len(blob))
    blob[at] ^= 1 << draw.randrange(8)

    with pytest.raises(Damaged):
        opened(bytes(blob), len(content))


@pytest.mark.parametrize("chunks", [2, 3, 5])
def test_a_blob_that_was_cut_or_has_more_or_other_chunks_is_noticed(chunks: int) -> None:
    content = os.urandom(chunks * CHUNK_BYTES)
    blob = sealed_in_pieces(content, random.Random(chunks))
    header, parts = (
        blob[:HEADER_BYTES],
        [blob[HEADER_BYTES + at * SEALED_CHUNK : HEADER_BYTES + (at + 1) * SEALED_CHUNK] for at in range(chunks)],
    )

    for wrong in (
        header + b"".join(parts[:-1]),
        header + b"".join(parts[1:]),
        header + b"".join(reversed(parts)),
        header + b"".join([*parts, parts[-1]]),
        header + b"".join([parts[0], *parts[:-1]]),
        blob[:-1],
        blob + b"\0",
    ):
        for size in (len(content), max(0, len(wrong) - HEADER_BYTES - chunk_count(len(content)) * 16)):
            with pytest.raises(Damaged):
                opened(wrong, size)


def test_a_whole_chunk_less_is_noticed_even_if_the_size_agrees() -> None:
    content = os.urandom(3 * CHUNK_BYTES)
    blob = sealed_in_pieces(content, random.Random(0))

    with pytest.raises(Damaged):
        opened(blob[: HEADER_BYTES + 2 * SEALED_CHUNK], 2 * CHUNK_BYTES)


def test_a_blob_opens_only_under_its_own_name_in_its_own_project() -> None:
    blob = sealed_in_pieces(b"only here", random.Random(0))

    assert opened(blob, 9) == b"only here"
    for project, name, root in (("prj_b", "blb_1", ROOT), ("prj_a", "blb_2", ROOT), ("prj_a", "blb_1", bytes(32))):
        with pytest.raises(Damaged):
            opened(blob, 9, project, name, root)


def test_chunks_of_another_blob_do_not_open_with_this_header() -> None:
    one, two = (sealed_in_pieces(os.urandom(2 * CHUNK_BYTES), random.Random(0)) for _ in range(2))

    with pytest.raises(Damaged):
        opened(one[:HEADER_BYTES] + two[HEADER_BYTES:], 2 * CHUNK_BYTES)


@pytest.mark.parametrize("header", [b"", b"BBLB", b"BBLB\x02" + bytes(HEADER_BYTES - 5), bytes(HEADER_BYTES)])
def test_other_bytes_are_no_header(header: bytes) -> None:
    with pytest.raises(Damaged):
        open_header(ROOT, "prj_a", "blb_1", header)
