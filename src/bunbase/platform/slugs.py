"""Slugs: the names of projects as they stand in addresses."""

from __future__ import annotations

import re
import secrets
import unicodedata
from typing import Final

MAX_LENGTH: Final = 40
SUFFIX_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # nothing that reads like something else
SUFFIX_LENGTH: Final = 5


def slug_of(name: str) -> str:
    """Give the slug a name asks for: `Ada's Café` → `adas-cafe`; `project` where nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower().replace("'", "")
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if not slug or slug.startswith("prj-"):  # an id begins with prj_: nobody shall take one for the other
        slug = f"project-{slug}"
    return slug[:MAX_LENGTH].rstrip("-")


def with_suffix(slug: str) -> str:
    """Give another slug for the same name, for when the first is taken."""
    return f"{slug}-" + "".join(secrets.choice(SUFFIX_ALPHABET) for _ in range(SUFFIX_LENGTH))
