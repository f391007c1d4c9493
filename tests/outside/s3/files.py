"""The files and keys that the journeys of clients use."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

# names that a disk can hold; each client has once had a fault with one of them
NAMES: Final = (
    "plain.txt",
    "empty",
    "a space and+plus.txt",
    "percent%20.txt",
    "é ü 日本.txt",
    "~tilde&amp;'quote'.txt",
    "folder/inner/deep.bin",
    "folder/ leading.txt",
    "#hash?mark.txt",
    "semi;colon,comma=equals@at$.txt",
    "[brackets]{braces}.txt",
)
# names that only a key can have
ODD: Final = ("a//b", "/leading", "trailing/", "..", "a/../b", ".", "a/./b", "x" * 1024, "tab\tand\x01", "e\u0301")
KEYS: Final = (*NAMES, *ODD)
SIZES: Final = (11, 0, 1, 65_536, 100_000)
LARGE_BYTES: Final = (17 << 20) + 3  # more than two parts of every client


def content(name: str) -> bytes:
    """Return the bytes of a file, which its name determines."""
    draw = random.Random(name)
    return draw.randbytes(0 if name == "empty" else draw.choice(SIZES))


def large() -> bytes:
    return random.Random(1).randbytes(LARGE_BYTES)


def write_tree(folder: Path) -> None:
    """Write one file for each name, and a large file."""
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(name))
    (folder / "large.bin").write_bytes(large())


def difference(expected: Path, found: Path) -> list[str]:
    """Return the names of files that only one of two folders has, or that have other bytes."""
    trees = [
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (expected, found)
    ]
    names = trees[0].keys() | trees[1].keys()
    return sorted(name for name in names if trees[0].get(name) != trees[1].get(name))
