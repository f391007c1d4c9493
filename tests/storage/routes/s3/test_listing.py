"""Lists of objects, compared with a short model: each key and each group comes once, in the order of bytes."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.seeds import seeds
from tests.storage.routes.s3.answers import refused
from tests.storage.routes.s3.port import Port

LETTERS = ("a", "b", "/", "-", "é")


def model(keys: list[str], prefix: str, delimiter: str, after: str = "") -> list[str]:
    """Return the keys and the groups of the whole list."""
    found: list[str] = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = key if at < 0 else key[: at + len(delimiter)]
        if entry not in found and entry.encode() > after.encode() and key.encode() > after.encode():
            found.append(entry)
    return found


def entries(pages: Any, contents: str = "Contents") -> list[str]:
    found = []
    for page in pages:
        names = [one["Key"] for one in page.get(contents, ())]
        names += [one["Prefix"] for one in page.get("CommonPrefixes", ())]
        found += sorted(names, key=str.encode)
    return found


@pytest.mark.explore
@pytest.mark.parametrize("seed", seeds(4))
def test_all_pages_together_are_the_whole_list(port: Port, bucket: str, seed: int) -> None:
    draw, client = random.Random(seed), port.client()
    keys = list({"".join(draw.choices(LETTERS, k=draw.randrange(1, 6))) for _ in range(25)})
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    for _ in range(6):
        asked: dict[str, Any] = {
            "Bucket": bucket,
            "Prefix": draw.choice(["", "a", "a/", "é"]),
            "Delimiter": draw.choice(["", "/", "b", "-"]),
            "PaginationConfig": {"PageSize": draw.randrange(1, 6)},
        }
        expected = model(keys, asked["Prefix"], asked["Delimiter"])
        for name, contents in (
            ("list_objects", "Contents"),
            ("list_objects_v2", "Contents"),
            ("list_object_versions", "Versions"),
        ):
            assert entries(client.get_paginator(name).paginate(**asked), contents) == expected, (name, asked)
        after = draw.choice(expected) if expected else "a"
        del asked["PaginationConfig"]
        later = model(keys, asked["Prefix"], asked["Delimiter"], after)
        assert entries([client.list_objects(**asked, Marker=after)]) == later
        assert entries([client.list_objects_v2(**asked, StartAfter=after)]) == later


def test_a_list_names_size_etag_and_time_as_the_object_does(port: Port, bucket: str) -> None:
    client = port.client()
    client.put_object(Bucket=bucket, Key="a", Body=b"xyz")
    head = client.head_object(Bucket=bucket, Key="a")

    (listed,) = client.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"]

    assert (listed["Size"], listed["ETag"], listed["LastModified"]) == (3, head["ETag"], head["LastModified"])
    assert listed["Owner"]["ID"] == "prj_a"


def test_wrong_parameters_of_lists_are_refused(port: Port, bucket: str) -> None:
    client = port.client()

    assert client.list_objects_v2(Bucket=bucket, MaxKeys=0)["KeyCount"] == 0
    assert client.list_objects_v2(Bucket=bucket, MaxKeys=5000)["MaxKeys"] == 1000
    wrong = (400, "InvalidArgument")
    assert refused(client.list_objects_v2, Bucket=bucket, MaxKeys=-1) == wrong
    assert refused(client.list_objects_v2, Bucket=bucket, ContinuationToken="x") == wrong
    assert refused(client.list_objects_v2, Bucket="missing", MaxKeys=0) == (404, "NoSuchBucket")
