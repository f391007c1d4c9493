"""The paths and headers of requests for objects."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

PAGE: Final = 500


def object_path(bucket: str, key: str) -> str:
    """Return the path of an object. Dots and slashes are escaped too, so that no client takes the key for a path."""
    return f"/v1/storage/objects/{quote(bucket, safe='')}/{quote(key, safe='').replace('.', '%2E')}"


def of_project(project: str) -> dict[str, str]:
    return {"x-bunbase-project": project}
