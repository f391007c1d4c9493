"""The part of the contract of Storage for resumable uploads (TUS 1.0).

An upload is begun, gets chunks one after the other, and becomes the object when its last byte has arrived. `offset` is
the number of bytes that are on disk. A chunk is three steps, like an upload: `begin_chunk`, `feed_chunk` for each
piece, `finish_chunk`. A chunk that breaks off keeps the bytes that have arrived, unless it has a checksum.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol

import msgspec

from bunbase.contracts.caller import Caller
from bunbase.contracts.stored_object import StoredObject
from bunbase.pkg.errors import Problem

RESUMABLE_SECONDS: Final = 86_400
MAX_RESUMABLE_BYTES: Final = 100 << 30
MAX_CHUNKS: Final = 10_000  # parts of one upload
MAX_UPLOAD_METADATA: Final = 8 << 10  # bytes of the header Upload-Metadata
ALGORITHMS: Final = ("sha1", "md5", "sha256")


class UploadOffsetMismatch(Problem):
    """`offset`: the number of bytes that the server has."""

    status, code, title = 409, "upload_offset_mismatch", "The upload continues at another byte"

    def headers(self) -> dict[str, str]:
        return {**super().headers(), "upload-offset": str(self.extra.get("offset", 0))}


class UploadBusy(Problem):
    status, code, title = 423, "upload_busy", "Another request continues this upload now"


class UploadChecksumMismatch(Problem):
    status, code, title = 460, "upload_checksum_mismatch", "The chunk does not have the checksum that was sent"


class TooManyChunks(Problem):
    """`limit`: the largest number of chunks."""

    status, code, title = 413, "too_many_chunks", "This upload has too many chunks"


class TusVersionUnsupported(Problem):
    status, code, title = 412, "tus_version_unsupported", "This server supports version 1.0.0 of TUS"

    def headers(self) -> dict[str, str]:
        return {**super().headers(), "tus-version": "1.0.0"}


class NewResumable(msgspec.Struct, frozen=True, omit_defaults=True):
    """An upload to begin. `length`: the number of bytes, or None if the client does not know it yet. `sent`: the header
    Upload-Metadata, which is returned as it is. The conditions `if_match` and `if_none_match` are those of
    `Conditions`.
    """

    bucket: str
    key: str
    length: int | None = None
    content_type: str = ""
    cache_control: str = ""
    metadata: dict[str, str] = {}
    sent: str = ""
    if_match: str | None = None
    if_none_match: str | None = None


class NewChunk(msgspec.Struct, frozen=True, omit_defaults=True):
    """A chunk to begin. `length`: the number of bytes of the whole upload, if it was unknown before. `size`: the number
    of bytes of the chunk, or None. `digest`: the expected digest in hexadecimal digits, by `algorithm`; or empty.
    """

    upload: str
    offset: int
    length: int | None = None
    size: int | None = None
    algorithm: str = ""
    digest: str = ""


class Resumable(msgspec.Struct, frozen=True):
    """`offset`: the number of bytes that are on disk. `length`: the number of bytes of the whole
    upload, or None if it is unknown.

    `finished`: true if the object is stored. `object`: the object as it was then; null before.
    """

    id: str
    bucket: str
    key: str
    offset: int
    length: int | None
    finished: bool
    expires_at: datetime
    sent: str = ""
    object: StoredObject | None = None


class ResumableMethods(Protocol):
    async def begin_resumable(self, caller: Caller, new: NewResumable) -> Resumable:
        """Begin an upload, after all checks that need no bytes. An upload of 0 bytes is stored at once.

        Raises: as `begin_upload`.
        """
        ...

    async def resumable(self, caller: Caller, upload: str) -> Resumable:
        """Return the state of an upload, also after it has become an object.

        Raises: UploadNotFound. If the server stopped after the last byte had arrived, this method finishes the upload,
        and raises the problems of `finish_chunk`.
        """
        ...

    async def begin_chunk(self, caller: Caller, chunk: NewChunk) -> str:
        """Return an id for `feed_chunk` and `finish_chunk`.

        Raises: UploadNotFound, UploadOffsetMismatch, UploadBusy, ObjectTooLarge, TooManyUploads, InvalidInput.
        """
        ...

    async def feed_chunk(self, caller: Caller, chunk: str, data: bytes) -> None:
        """Add at most PIECE_BYTES bytes. After a Problem, end the chunk with `finish_chunk`.

        Raises: as `feed_upload`; TooManyChunks.
        """
        ...

    async def finish_chunk(self, caller: Caller, chunk: str, whole: bool) -> Resumable:
        """End a chunk. Its bytes are then on disk. With the last byte of the upload, the object is stored.

        `whole`: false if the rest of the chunk will not arrive. Raises: as `finish_upload`; UploadChecksumMismatch.
        """
        ...

    async def end_resumable(self, caller: Caller, upload: str) -> None:
        """Delete an upload that is not finished, and its bytes. Raises: UploadNotFound, UploadBusy."""
        ...
