"""Public HTTP of Bundoc for developers: the data key under which the documents of a project are encrypted."""

from __future__ import annotations

from typing import Final

from litestar import get, post

from bunbase.contracts.bundoc.documents import KeyState
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import Injected

TAGS: Final = ["Data keys"]


@get("/api/projects/{project:str}/data-key", summary="Get the state of the data key", tags=TAGS)
async def get_data_key(member: Injected[Caller], bundoc: Injected[Bundoc]) -> KeyState:
    return await bundoc.data_key(member)


@post("/api/projects/{project:str}/data-key/rotate", summary="Rotate the data key", tags=TAGS, status_code=202)
async def rotate_data_key(member: Injected[Caller], bundoc: Injected[Bundoc]) -> KeyState:
    """Starts to re-encrypt the documents of the project under a new data key.

    Reads and writes continue, and wait only while the new file replaces the old file. Get the data key again until
    `rotating` is false.
    """
    return await bundoc.rotate_data_key(member)


ROUTES = (get_data_key, rotate_data_key)
