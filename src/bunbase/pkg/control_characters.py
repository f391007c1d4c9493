"""Find control characters in names. SQLite's JSON functions and other programs may confuse two such names."""

from __future__ import annotations

import re
from typing import Final

CONTROL: Final = re.compile("[\x00-\x1f\x7f]")


def holds_control(name: str) -> bool:
    """True if the name contains a control character (U+0000 to U+001F, or U+007F)."""
    return CONTROL.search(name) is not None
