"""The OpenAPI document of all public routes.

The document is made once in each process, because this takes 0.8 s of processor time.
"""

from __future__ import annotations

import functools

from bunbase.house import generate


@functools.cache
def openapi_document() -> str:
    """Return the document as JSON."""
    return generate.openapi_document()
