"""Slugs: the names of projects in URLs."""

from __future__ import annotations

import re
import secrets
import unicodedata
from typing import Final

MAX_LENGTH: Final = 40
SUFFIX_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # l, o, 0 and 1 are missing, because they look alike
SUFFIX_LENGTH: Final = 5


def slug_of(name: str) -> str:
    """Return the slug for a name: `adas-cafe` for `Ada's Café`, and `project` for a name without letters and digits."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower().replace("'", "")
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if not slug or slug.startswith("prj-"):  # ids begin with prj_, and a slug must not look similar
        slug = f"project-{slug}"
    return slug[:MAX_LENGTH].rstrip("-")


def with_suffix(slug: str) -> str:
    """Return another slug for the same name: the slug with a random suffix."""
    return f"{slug}-" + "".join(secrets.choice(SUFFIX_ALPHABET) for _ in range(SUFFIX_LENGTH))
