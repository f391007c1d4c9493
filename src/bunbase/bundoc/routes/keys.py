"""Public HTTP of Bundoc for developers: the data key that a project's documents are encrypted under."""

from __future__ import annotations

from typing import Final

from litestar import get, post

from bunbase.contracts.bundoc import Bundoc, KeyState
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import Injected

TAGS: Final = ["Data keys"]


@get("/api/projects/{project:str}/data-key", summary="See how it stands with the data key", tags=TAGS)
async def get_data_key(member: Injected[Caller], bundoc: Injected[Bundoc]) -> KeyState:
    return await bundoc.data_key(member)


@post("/api/projects/{project:str}/data-key/rotate", summary="Rotate the data key", tags=TAGS, status_code=202)
async def rotate_data_key(member: Injected[Caller], bundoc: Injected[Bundoc]) -> KeyState:
    """Begins to encrypt the project's documents under a new data key; reads and writes go on, and wait for a moment
    when the new file takes the old one's place. Ask for the data key until `rotating` is false.
    """
    return await bundoc.rotate_data_key(member)


ROUTES = (get_data_key, rotate_data_key)
