"""Read stored documents in the form that rules see."""

from __future__ import annotations

from typing import Any

from bunbase.bundoc.documents import StoredDocument, with_system_fields
from bunbase.pkg.rules.inputs import json_value


def seen_fields(stored: StoredDocument) -> dict[str, Any]:
    """Return the fields of a stored document, including system fields, with numbers in the types of rules."""
    fields: dict[str, Any] = json_value(with_system_fields(stored))
    return fields
