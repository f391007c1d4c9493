"""Descriptions for the OpenAPI document that the signature of a handler cannot express."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Operation

from bunbase.pkg.media import JSON

Security = list[dict[str, list[str]]]

# This value is for `security=` of a handler. Without it, the name of the caller's parameter decides
# (gateway/openapi_callers.py).
SECRET_KEY: Final[Security] = [{"secretKey": []}]
SIGNED_IN_USER: Final[Security] = [{"projectKey": [], "endUser": []}]


class OpenObject(msgspec.Struct):
    """The base of objects that may have any other fields.

    The subclasses of this base are only descriptions, because no code parses with them.
    """


class DescribedBody(Operation):
    """An operation whose handler takes raw bytes. `BODY`: the type of the body. `MEDIA`: its content types."""

    BODY: Any
    MEDIA: tuple[str, ...]


def reads(kind: Any, *media: str) -> type[Operation]:
    """Return the `operation_class` of a handler that parses its body itself, which has the type `kind`."""
    return type("Reads", (DescribedBody,), {"BODY": kind, "MEDIA": media or (JSON,)})


def answers(kind: Any, description: str, media: str = JSON) -> ResponseSpec:
    """Return the description of an answer that has the type `kind`."""
    return ResponseSpec(kind, generate_examples=False, description=description, media_type=media)
