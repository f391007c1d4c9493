"""An array of `$each` is grouped in parts; between the parts, the time limit is checked."""

from __future__ import annotations

from typing import Any

import apsw
import msgspec
import pytest

from bunbase.bundoc.query.aggregate import parse_aggregate
from bunbase.bundoc.query.groups import grouped
from bunbase.bundoc.query.rows import Reads
from bunbase.bundoc.query.search import Search
from bunbase.bundoc.sqlite_engine.watch import ScanWatch
from tests.bundoc.query.test_counts import all_of, kept, searching, sqlite

__all__ = ["sqlite"]

EACH = Reads((("tags",), ("n",)), each=0)


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_the_parts_of_an_array_have_each_different_element_once(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("bunbase.bundoc.query.rows.ELEMENTS_IN_A_ROW", size)
    tags = [1, 1.0, True, "1", {"a": 1}, {"a": 1.0}, [1], None, 1]

    rows = list(EACH.rows({"tags": tags, "n": 5}, "d1"))

    found: list[Any] = [one for row in rows for one in row.values[0]]
    assert [str(one) for one in found] == ["1", "True", "1", "{'a': 1}", "[1]", "None"]
    assert {(row.values[1], row.id) for row in rows} == {(5, "d1")}
    assert [row.values for row in EACH.rows({"tags": []}, "d1")] == [((None,), None)]
    asked = parse_aggregate(b'{"v":{"$sum":"n"}}', ({"$each": "tags"},), (), None)
    groups = [msgspec.json.decode(item) for item in grouped(iter(rows), asked).items]
    assert [one["v"] for one in groups] == [5] * 6


def test_the_time_is_checked_inside_of_a_large_array(sqlite: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bunbase.bundoc.query.rows.ELEMENTS_IN_A_ROW", 10)
    table = kept(sqlite, all_of([{"tags": list(range(1000))}]), ())
    one = searching(sqlite, table, Search(reads=EACH))
    looks = 0

    class Ending(ScanWatch):
        def over(self) -> bool:
            nonlocal looks
            looks += 1
            return looks > 5

    one.watch = Ending()

    with pytest.raises(apsw.InterruptError):
        list(one.rows())
    assert looks == 6
    one.close()
