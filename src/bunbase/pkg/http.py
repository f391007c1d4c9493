"""What every room's routes share."""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation

from bunbase.pkg.cursors import MAX_LIMIT

T = TypeVar("T")

HOST_SLUG: Final = "host_slug"  # in a scope's state: the slug of the project whose own host the request came to

# A parameter that the front door fills in by its name: a Caller, or a room's contract. Not checked against its type
# with every request: contracts are Protocols, and looking through all their methods would cost more than the call.
Injected = SkipValidation[NamedDependency[T]]

# for answers that hold secrets, or are of this moment; all others are `private, no-cache` (gateway/caching.py)
NO_STORE: Final = CacheControlHeader(no_store=True)

Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="How many items to give at most.")]
Cursor = Annotated[str | None, QueryParameter(max_length=2048, description="`next` of the page before.")]
