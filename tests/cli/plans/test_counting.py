"""The plan counts the same documents as the server: equal values of a unique index, and documents that have expired."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bunbase.cli.plans.counting import is_over, unique_entries


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


@pytest.mark.parametrize(
    ("value", "over"),
    [
        ("2026-01-01T00:00:00Z", True),
        ("2025-12-31t23:59:59.123456789z", True),
        ("2016-12-31T23:59:60Z", True),
        ("2026-01-01T00:00:00-01:00", False),
        ("2025-01-01T00:00:00", False),
        ("20250101T000000Z", False),
        (7, False),
    ],
)
def test_a_time_is_over_if_the_server_would_end_the_document(value: Any, over: bool) -> None:
    assert is_over(value, datetime(2026, 1, 1, tzinfo=UTC)) is over
