"""Lists of random trees of keys, for every prefix and delimiter, compared with a model of a few lines."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from bunbase.storage.store.listing import PageRequest, after_all, read_page
from bunbase.storage.store.objects import ObjectRow
from bunbase.storage.store.tables import create_tables
from tests.seeds import seeds
from tests.storage.store.files import put_one

PARTS = ["a", "b", "A", "é", "e\u0301", "..", ".", "", " ", "+", "\U0010ffff", "z"]


class Filter:
    """Shows the rows for which `shows` is true. The budget of the filter ends after `most` rows of a page."""

    def __init__(self, shows: Callable[[ObjectRow], bool], most: int = 1 << 60) -> None:
        self.shows = shows
        self.left = most

    @property
    def spent(self) -> bool:
        return self.left <= 0

    def __call__(self, row: ObjectRow) -> bool:
        self.left -= 1
        return self.shows(row)


def model(keys: list[str], prefix: str, delimiter: str, visible: Callable[[str], bool]) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for key in sorted(key.encode() for key in keys if visible(key)):
        if key.startswith(prefix.encode()):
            rest = key[len(prefix.encode()) :]
            head, cut, _ = rest.partition(delimiter.encode()) if delimiter else (rest, b"", b"")
            entry = ("group", prefix.encode() + head + cut) if cut else ("object", key)
            if not found or found[-1] != entry:
                found.append(entry)
    return found


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(":memory:")
    create_tables(connection)
    connection.execute("INSERT INTO buckets (id, name, spec, created) VALUES (1, 'files', '{}', 0), (2, 'o', '{}', 0)")
    yield connection
    connection.close()


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(12))
def test_pages_of_any_size_hold_every_key_and_group_once(connection: apsw.Connection, seed: int) -> None:
    draw = random.Random(seed)
    keys = list({"/".join(draw.choices(PARTS, k=draw.randint(1, 4))) for _ in range(40)} - {""})
    for number, key in enumerate(keys):
        put_one(connection, 1, key, f"blob{number}")
        put_one(connection, 2, key + "x", f"other{number}")
    hidden = set(draw.sample(keys, len(keys) // 3)) if seed % 2 else set()

    def visible(row: ObjectRow) -> bool:
        return row.key.decode() not in hidden

    for prefix in ("", "a", "a/", "/", "..", "é", draw.choice(keys)):
        for delimiter in ("", "/", ".."):
            for limit in (1, 2, 5, 500):
                budget, start = draw.choice([1, 3, 10_000]), b""
                found: list[tuple[str, bytes]] = []
                for _ in range(2000):
                    asked = PageRequest(1, prefix.encode(), delimiter.encode(), start, limit, budget)
                    page = read_page(connection, asked, Filter(visible, draw.choice([1, 4, 1000])))
                    assert page.count <= limit
                    entries = [("object", one.key) for one in page.objects] + [("group", one) for one in page.groups]
                    found += sorted(entries, key=lambda entry: entry[1])
                    if page.next is None:
                        break
                    assert page.next > start
                    start = page.next
                assert found == model(keys, prefix, delimiter, lambda key: key not in hidden)


def test_a_group_costs_one_look_at_a_visible_object(connection: apsw.Connection) -> None:
    for number in range(500):
        put_one(connection, 1, f"{number % 2}/{number}", f"blob{number}")
    looked = []

    def visible(row: ObjectRow) -> bool:
        looked.append(row.key)
        return True

    page = read_page(connection, PageRequest(1, b"", b"/", b"", 10, 10), Filter(visible))

    assert page.groups == [b"0/", b"1/"]
    assert len(looked) == 2


@pytest.mark.parametrize("text", ["a", "é", "\U0010ffff", "a/"])
def test_no_key_with_a_prefix_comes_after_its_end(text: str) -> None:
    assert text.encode() < (text + "\U0010ffff" * 3).encode() < after_all(text.encode())
