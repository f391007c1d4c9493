"""Types of texts in requests, for the OpenAPI document only.

Other code checks these texts, because its messages tell the caller more: `addresses.py` and `passwords.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

MIN_PASSWORD_LENGTH: Final = 8
MAX_PASSWORD_LENGTH: Final = 256  # characters; a longer password would only cost time to hash

Email = Annotated[str, msgspec.Meta(extra_json_schema={"format": "email", "minLength": 3})]
NewPassword = Annotated[
    str, msgspec.Meta(extra_json_schema={"minLength": MIN_PASSWORD_LENGTH, "maxLength": MAX_PASSWORD_LENGTH})
]

TIME: Final[dict[str, Any]] = {"format": "date-time"}  # for `schema_extra` of a query parameter
