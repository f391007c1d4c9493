"""Public HTTP of Storage, below `/v1/storage`.

buckets  the settings of buckets, and the size of a project
objects  upload, download and delete one object
resumable  uploads that continue after a lost connection (TUS)
many     lists, copies, moves, deletions of many objects, signed links
answer   the answer that streams an object
"""

from typing import Any, Final

from bunbase.storage.routes import buckets, many, objects, resumable

ROUTES: Final[tuple[Any, ...]] = (*buckets.ROUTES, *objects.ROUTES, *many.ROUTES, *resumable.ROUTES)
