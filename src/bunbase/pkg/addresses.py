"""Email addresses as accounts use them."""

from __future__ import annotations

import re
from typing import Final

from bunbase.pkg.errors import InvalidInput

MAX_LENGTH: Final = 254  # RFC 5321 §4.5.3.1.3, without the angle brackets
ADDRESS: Final = re.compile(r"[^\s@<>\"(),:;\\]{1,64}@[^\s@<>\"(),:;\\.]+(\.[^\s@<>\"(),:;\\.]+)*", re.ASCII | re.I)


def normal_email(email: str) -> str:
    """Give the form under which an account is stored and found: trimmed, lower case. Raises: InvalidInput."""
    normal = email.strip().lower()
    if len(normal) > MAX_LENGTH or not ADDRESS.fullmatch(normal):
        message = "Give an email address such as ada@example.com."
        raise InvalidInput(message, errors=[{"path": "/email", "message": message}])
    return normal
