"""Types and constants that the routes of all rooms share."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, QueryParameter, SkipValidation

from bunbase.pkg.cursors import MAX_CURSOR, MAX_LIMIT
from bunbase.pkg.idempotency import KEY

T = TypeVar("T")

# If the request was sent to the project's own host, the scope's state has the slug of the project under this key.
HOST_SLUG: Final = "host_slug"

# The scope's state has this key if the request is HEAD. A route itself sees GET (gateway/methods.py).
IS_HEAD: Final = "is_head"

# Under this key, the scope's state has a function that checks the credentials of the request again, and raises the
# problem with which they would be refused now. Routes whose bodies may take long call it when the body has arrived.
CHECK_AGAIN: Final = "check_again"

# A parameter that the gateway fills in by its name: a Caller, or the service of a room. Litestar does not check its
# type. The type is a Protocol, so a check would look up all its methods, which costs more than the call itself.
Injected = SkipValidation[NamedDependency[T]]

# This value is for answers with secrets or with quickly changing values. All other answers are `private, no-cache`
# (gateway/caching.py).
NO_STORE: Final = CacheControlHeader(no_store=True)


async def check_credentials_again(scope: Any) -> None:
    """Check that the credentials of a request still count. Raises: the problems of the gateway."""
    check = scope["state"].get(CHECK_AGAIN)
    if check is not None:
        await check()


Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="The largest number of items on a page.")]
Cursor = Annotated[
    str | None, QueryParameter(max_length=MAX_CURSOR, description="The field `next` of the previous page.")
]

# A handler has this parameter only to make it appear in the OpenAPI document. `sent_key` reads and checks the header.
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="A random key for this act. If you send the request again with the same key within 24 hours, the "
        "act is not repeated, and you get the first answer with `Idempotency-Replayed: true`.",
        schema_extra={"pattern": f"^{KEY.pattern}$"},
    ),
]
