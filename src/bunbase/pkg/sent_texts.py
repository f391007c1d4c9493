"""Types of texts in requests, for the OpenAPI document only.

`addresses.py` and `passwords.py` check these texts, because their messages tell the caller more.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

MIN_PASSWORD_LENGTH: Final = 8
# A password has at most this many characters. A longer password would only cost time to hash.
MAX_PASSWORD_LENGTH: Final = 256

Email = Annotated[str, msgspec.Meta(extra_json_schema={"format": "email", "minLength": 3})]
NewPassword = Annotated[
    str, msgspec.Meta(extra_json_schema={"minLength": MIN_PASSWORD_LENGTH, "maxLength": MAX_PASSWORD_LENGTH})
]

TIME: Final[dict[str, Any]] = {"format": "date-time"}  # This is for `schema_extra` of a query parameter.
