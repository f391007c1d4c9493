"""Public HTTP for developers: the keys under which the documents and the files of a project are encrypted.

Bundoc has the key of documents, and Storage has that of the list of objects. The two rotate at the same time.
"""

from __future__ import annotations

from typing import Final

import msgspec
from litestar import get, post

from bunbase.contracts.bundoc.documents import KeyState
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.caller import Caller
from bunbase.contracts.storage import Storage
from bunbase.contracts.storage_copies import FilesKey
from bunbase.pkg.http import Injected

TAGS: Final = ["Data keys"]


@get("/api/projects/{project:str}/data-key", summary="Get the state of the data key", tags=TAGS)
async def get_data_key(member: Injected[Caller], bundoc: Injected[Bundoc], storage: Injected[Storage]) -> KeyState:
    return _both(await bundoc.data_key(member), await storage.files_key(member))


@post("/api/projects/{project:str}/data-key/rotate", summary="Rotate the data key", tags=TAGS, status_code=202)
async def rotate_data_key(member: Injected[Caller], bundoc: Injected[Bundoc], storage: Injected[Storage]) -> KeyState:
    """Starts to re-encrypt the documents of the project, and the names and properties of its files, under new keys.

    The bytes of files have keys of their own, which do not change. Reads and writes continue, and wait only while the
    new file replaces the old file. Get the data key again until `rotating` is false.
    """
    return _both(await bundoc.rotate_data_key(member), await storage.rotate_files_key(member))


def _both(documents: KeyState, files: FilesKey | None) -> KeyState:
    if files is None:
        return documents
    under_way = [state.progress for state in (documents, files) if state.progress is not None]
    return msgspec.structs.replace(
        documents,
        rotating=documents.rotating or files.rotating,
        progress=min(under_way, default=None),
        failed=documents.failed or files.failed,
        files=files,
    )


ROUTES = (get_data_key, rotate_data_key)
