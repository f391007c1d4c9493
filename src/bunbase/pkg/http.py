"""Types and constants that the routes of all rooms share."""

from __future__ import annotations

from typing import Annotated, Final, TypeVar

from litestar.datastructures import CacheControlHeader
from litestar.di import NamedDependency
from litestar.params import QueryParameter, SkipValidation

from bunbase.pkg.cursors import MAX_LIMIT

T = TypeVar("T")

# key in a scope's state: the slug of the project, if the request came to a project's own host
HOST_SLUG: Final = "host_slug"

# A parameter that the gateway fills in by its name: a Caller, or a room's contract. Its type is not checked with every
# request, because contracts are Protocols: to check one means to look up all its methods, which costs more than the
# call.
Injected = SkipValidation[NamedDependency[T]]

# for answers that hold secrets or change every moment; all others are `private, no-cache` (gateway/caching.py)
NO_STORE: Final = CacheControlHeader(no_store=True)

Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="The most items that a page may have.")]
Cursor = Annotated[str | None, QueryParameter(max_length=2048, description="`next` of the previous page.")]
