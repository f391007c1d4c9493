from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.functions.logs.source_map import (
    MAX_MAPPINGS_CHARACTERS,
    MAX_SEGMENTS,
    BadSourceMap,
    Place,
    decode_source_map,
    read_source_map,
)
from bunbase.functions.logs.stack_traces import MAX_FRAMES, translate

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
SOURCES = ["functions/a.ts", "functions/b.ts"]

# A column in the bundle, and the file, line and column of its origin. All count from 0.
Mapping = tuple[int, int, int, int]


def vlq(number: int) -> str:
    rest, text = (-number << 1 | 1) if number < 0 else number << 1, ""
    while True:
        digit, rest = rest & 31, rest >> 5
        text += DIGITS[digit | (32 if rest else 0)]
        if not rest:
            return text


def mappings(lines: list[list[Mapping]]) -> str:
    """Encode mappings as the standard says. Each number is a difference, and the column starts at 0 on every line."""
    before, encoded = (0, 0, 0), []
    for line in lines:
        column, segments = 0, []
        for at, *place in line:
            differences = [at - column, *(new - old for new, old in zip(place, before, strict=True))]
            segments.append("".join(map(vlq, differences)))
            column, before = at, (place[0], place[1], place[2])
        encoded.append(",".join(segments))
    return ";".join(encoded)


def file(**changes: Any) -> bytes:
    return msgspec.json.encode({"version": 3, "sources": SOURCES, "mappings": "", "names": []} | changes)


numbers = st.integers(0, 10**6)
places = st.tuples(numbers, st.integers(0, 1), numbers, numbers)
generated_lines = st.lists(st.lists(places, max_size=6, unique_by=lambda one: one[0]).map(sorted), max_size=6)


@given(generated_lines)
def test_every_position_in_a_bundle_maps_to_its_encoded_origin(lines: list[list[Mapping]]) -> None:
    map = decode_source_map(file(mappings=mappings(lines)))

    for number, line in enumerate(lines, 1):
        for (column, source, from_line, from_column), after in pairwise([*line, (10**9, 0, 0, 0)]):
            place = Place(SOURCES[source], from_line + 1, from_column + 1)
            assert map.find(number, column + 1) == place
            assert map.find(number, after[0]) == place  # The origin applies up to the next mapping.
        if line and line[0][0]:
            assert map.find(number, line[0][0]) is None
    assert map.find(0, 1) is None
    assert map.find(len(lines) + 2, 1) is None


@given(
    st.one_of(st.binary(max_size=200), st.text(alphabet=DIGITS + ",;!é", max_size=60).map(lambda m: file(mappings=m)))
)
def test_arbitrary_text_is_a_valid_source_map_or_refused(text: bytes) -> None:
    try:
        map = decode_source_map(text)
    except BadSourceMap:
        return
    assert len(map.columns) == len(map.files) == len(map.lines) == len(map.file_columns)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[" * 100_000,
        b"\xff",
        b"{}",
        file(version=2),
        file(mappings=1),
        b'{"version": 3, "sections": []}',
        file(sources=["a"] * 20_001),
        file(sources=["a" * 5000]),
        file(sourceRoot="a" * 5000),  # 20,000 sources with a root of 5 MB would be 100 GB of names
    ],
)
def test_a_text_that_is_no_source_map_of_version_3_is_refused(text: bytes) -> None:
    with pytest.raises(BadSourceMap, match="version 3"):
        read_source_map(text)


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        ("A!AA", "VLQ"),
        ("AA", "VLQ"),
        ("AAAAAA", "VLQ"),
        ("gggggggggB", "VLQ"),
        ("g", "VLQ"),
        ("AAAA,DAAA", "order"),
        ("ADAA", "negative"),
        ("AEAA", "not list"),
        ("A" * (MAX_MAPPINGS_CHARACTERS + 1), "4 MiB"),
        ("A," * (MAX_SEGMENTS + 1), "mappings"),
    ],
)
def test_invalid_mappings_are_refused(encoded: str, reason: str) -> None:
    with pytest.raises(BadSourceMap, match=reason):
        decode_source_map(file(mappings=encoded))


def test_code_that_the_bundler_added_has_no_origin_in_a_source_map() -> None:
    map = decode_source_map(file(mappings="AAAA,U"))

    assert map.find(1, 1) == Place("functions/a.ts", 1, 1)
    assert map.find(1, 11) is None


def test_a_file_name_cannot_add_lines_to_a_log() -> None:
    map = decode_source_map(file(sources=["a\nERROR forged\x1b[31m" + "x" * 300], mappings="AAAA"))

    place = map.find(1, 1)
    assert place is not None
    assert place.file.isprintable()
    assert len(place.file) == 200


def test_places_in_a_stack_trace_are_translated() -> None:
    map = decode_source_map(file(mappings=mappings([[], [(4, 1, 11, 6)]])))

    assert translate("Error: x\n    at f (/function.js:2:9)\n    at function.js:2:5", map) == (
        "Error: x\n    at f (functions/b.ts:12:7)\n    at functions/b.ts:12:7"
    )
    for untouched in ("/function.js:1:1", "my-function.js:2:9", "lib/function.jsx:2:9", "/function.js:2"):
        assert translate(untouched, map) == untouched
    deep = translate("/function.js:2:9\n" * (MAX_FRAMES + 1), map)
    assert deep.count("functions/b.ts") == MAX_FRAMES
