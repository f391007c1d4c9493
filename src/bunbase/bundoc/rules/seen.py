"""Reads stored documents as rules see them."""

from __future__ import annotations

from typing import Any

from bunbase.bundoc.documents import StoredDocument, seen
from bunbase.pkg.rules.inputs import json_value


def seen_fields(stored: StoredDocument) -> dict[str, Any]:
    """Return the fields of a stored document, system fields included, with numbers as rules read them."""
    fields: dict[str, Any] = json_value(seen(stored))
    return fields
