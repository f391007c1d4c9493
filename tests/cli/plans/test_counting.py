"""The plan counts equal values as a unique index would find them."""

from __future__ import annotations

from typing import Any

import pytest

from bunbase.cli.plans.counting import unique_entries


@pytest.mark.parametrize(
    ("document", "fields", "entries"),
    [
        ({"slug": "a"}, ["slug"], {b'["a"]'}),
        ({"slug": 1.0}, ["slug"], {b"[1]"}),
        ({}, ["slug"], set()),
        ({"slug": None}, ["slug"], set()),
        ({"tags": []}, ["tags"], set()),
        ({"tags": ["a", None, "b"]}, ["tags"], {b'["a"]', b'["b"]'}),
        ({"a": {"b": [{"c": 1}, {"c": 2}]}}, ["a.b.c"], {b"[1]", b"[2]"}),
        ({"tags": ["a", "b"], "n": 1}, ["tags", "n"], {b'["a",1]', b'["b",1]'}),
        ({"tags": ["a", "b"]}, ["tags", "n"], set()),
        ({"at": {"x": 1}}, ["at"], {b'[{"x":1}]'}),
    ],
)
def test_a_document_has_the_entries_of_its_index(
    document: dict[str, Any], fields: list[str], entries: set[bytes]
) -> None:
    assert unique_entries(document, fields) == entries
