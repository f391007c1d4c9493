"""`/v1/storage/tus`: resumable uploads, the protocol TUS 1.0.0 (https://tus.io/protocols/resumable-upload)."""

from __future__ import annotations

import asyncio
import base64
import binascii
from email.utils import format_datetime
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from litestar import HttpMethod, Response, delete, get, patch, post, route
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.resumable import (
    ALGORITHMS,
    MAX_RESUMABLE_BYTES,
    MAX_UPLOAD_METADATA,
    NewChunk,
    NewResumable,
    Resumable,
    TusVersionUnsupported,
)
from bunbase.contracts.storage import InvalidObjectKey, Storage
from bunbase.pkg.api_json import api_json
from bunbase.pkg.errors import DeadlineExceeded, InvalidInput, UnsupportedMedia
from bunbase.pkg.http import Injected, check_credentials_again
from bunbase.pkg.http1.incoming import incoming
from bunbase.pkg.media import JSON
from bunbase.pkg.numbers import whole_number
from bunbase.pkg.openapi import answers, reads
from bunbase.storage.routes.buckets import TAGS, AnyRequest
from bunbase.storage.routes.objects import SILENCE_SECONDS, Content, fed, header, sent_conditions, sent_metadata

VERSION: Final = "1.0.0"
PATH: Final = "/v1/storage/tus"
ONE: Final = f"{PATH}/{{upload:str}}"
CHUNK_TYPE: Final = "application/offset+octet-stream"
EXTENSIONS: Final = "creation,creation-with-upload,creation-defer-length,termination,expiration,checksum"
DISCOVERY: Final = {
    "tus-resumable": VERSION,
    "tus-version": VERSION,
    "tus-extension": EXTENSIONS,
    "tus-max-size": str(MAX_RESUMABLE_BYTES),
    "tus-checksum-algorithm": ",".join(ALGORITHMS),
}
# our names in Upload-Metadata, and the names that clients of other servers send
NAMES: Final = {
    "bucket": ("bucket", "bucketName"),
    "key": ("key", "objectName"),
    "content_type": ("content_type", "contentType", "filetype", "type"),
    "cache_control": ("cache_control", "cacheControl"),
    "metadata": ("metadata",),
}

UploadId = Annotated[
    str,
    PathParameter(description="The id of the upload.", schema_extra={"maxLength": 64, "pattern": "^[A-Za-z0-9._-]+$"}),
]
TusResumable = Annotated[str | None, header("Tus-Resumable", "The version of the protocol: `1.0.0`.")]
UploadLength = Annotated[str | None, header("Upload-Length", "The number of bytes of the whole upload.")]
UploadDefer = Annotated[str | None, header("Upload-Defer-Length", "`1` if the length is not known yet.")]
UploadMetadata = Annotated[
    str | None,
    header(
        "Upload-Metadata",
        "Names, each with a value in base64, separated by commas. `bucket` and `key` are needed; `content_type`, "
        "`cache_control` and `metadata` (JSON: an object of strings) are stored with the object.",
    ),
]
UploadOffset = Annotated[str | None, header("Upload-Offset", "The number of bytes that the server has.")]
UploadChecksum = Annotated[
    str | None, header("Upload-Checksum", "`sha1`, `md5` or `sha256`, a space, and the digest of the chunk in base64.")
]
FEATURES: Final = ResponseSpec(None, generate_examples=False, description="The headers have the features.")
ENDED: Final = ResponseSpec(None, generate_examples=False, description="The upload and its bytes are deleted.")
NOTHING: Final = ResponseSpec(None, generate_examples=False, description="`Upload-Offset` has the number of bytes.")


@route(
    PATH,
    http_method=[HttpMethod.OPTIONS],
    status_code=204,
    summary="Get the features of resumable uploads",
    tags=TAGS,
    responses={204: FEATURES},
)
async def get_upload_features(anyone: Injected[Caller]) -> Response[None]:
    """Returns the version and the extensions of TUS that this server has, as headers."""
    return Response(None, status_code=204, headers=DISCOVERY)


@post(
    PATH,
    status_code=201,
    summary="Begin a resumable upload",
    tags=TAGS,
    operation_class=reads(Content, CHUNK_TYPE),
    request_max_body_size=None,
    responses={201: answers(Resumable, "The upload was begun. `Location` is its path.")},
)
async def begin_upload(
    accessor: Injected[Caller],
    storage: Injected[Storage],
    request: AnyRequest,
    tus_resumable: TusResumable = None,
    upload_length: UploadLength = None,
    upload_defer_length: UploadDefer = None,
    upload_metadata: UploadMetadata = None,
    upload_checksum: UploadChecksum = None,
) -> Response[bytes]:
    """Begins an upload that can continue after a lost connection, also after a restart of the server. The body may
    have the first bytes.

    The upload expires a day after its last bytes. Rules, limits and conditions hold as for a plain upload.
    """
    check_version(request)
    chunk = _chunk_of(request, "", 0) if request.headers.get("content-type") == CHUNK_TYPE else None
    state = await storage.begin_resumable(accessor, new_resumable(request))
    headers = {"location": f"{PATH}/{state.id}"}
    if chunk is not None and not state.finished:
        state = await _sent(storage, accessor, request, msgspec.structs.replace(chunk, upload=state.id))
    return _answer(state, 201, headers)


@get(
    ONE,
    summary="Get the state of a resumable upload",
    tags=TAGS,
    responses={200: answers(Resumable, "`Upload-Offset` has the number of bytes that the server has.")},
)
async def get_upload(
    accessor: Injected[Caller],
    storage: Injected[Storage],
    request: AnyRequest,
    upload: UploadId,
    tus_resumable: TusResumable = None,
) -> Response[bytes]:
    """Returns the number of bytes that are on disk, for a day also of an upload that is finished. Clients of TUS send
    HEAD.
    """
    check_version(request)
    return _answer(await storage.resumable(accessor, upload), 200, {"cache-control": "no-store"})


@patch(
    ONE,
    status_code=204,
    summary="Continue a resumable upload",
    tags=TAGS,
    operation_class=reads(Content, CHUNK_TYPE),
    request_max_body_size=None,
    responses={204: NOTHING},
)
async def continue_upload(
    accessor: Injected[Caller],
    storage: Injected[Storage],
    request: AnyRequest,
    upload: UploadId,
    tus_resumable: TusResumable = None,
    upload_offset: UploadOffset = None,
    upload_length: UploadLength = None,
    upload_checksum: UploadChecksum = None,
) -> Response[None]:
    """Appends the body at `Upload-Offset`. With the last byte, the object is stored. If the connection breaks, the
    bytes that have arrived stay, unless the request has a checksum.
    """
    check_version(request)
    if request.headers.get("content-type") != CHUNK_TYPE:
        raise UnsupportedMedia(f"Send the bytes as {CHUNK_TYPE}.")
    offset = _number(request, "Upload-Offset")
    if offset is None:
        raise InvalidInput.at("Upload-Offset", "Send the number of bytes that the server has.")
    state = await _sent(storage, accessor, request, _chunk_of(request, upload, offset))
    return Response(None, status_code=204, headers=_headers(state))


@delete(ONE, summary="End a resumable upload", tags=TAGS, responses={204: ENDED})
async def end_upload(
    accessor: Injected[Caller],
    storage: Injected[Storage],
    request: AnyRequest,
    upload: UploadId,
    tus_resumable: TusResumable = None,
) -> Response[None]:
    """Deletes an upload that is not finished, and its bytes."""
    check_version(request)
    await storage.end_resumable(accessor, upload)
    return Response(None, status_code=204, headers={"tus-resumable": VERSION})


def check_version(request: AnyRequest) -> None:
    """Raises: TusVersionUnsupported."""
    if request.headers.get("tus-resumable") != VERSION:
        raise TusVersionUnsupported(f"Send the header Tus-Resumable: {VERSION}.")


def new_resumable(request: AnyRequest) -> NewResumable:
    """Return the upload that the headers describe. Raises: InvalidInput, InvalidObjectKey."""
    length, deferred = _number(request, "Upload-Length"), request.headers.get("upload-defer-length")
    if (length is None) is (deferred is None) or deferred not in (None, "1"):
        raise InvalidInput.at("Upload-Length", "Send Upload-Length, or Upload-Defer-Length: 1.")
    sent = request.headers.get("upload-metadata", "")
    values = sent_values(sent)
    for name in ("bucket", "key"):
        if not values.get(name):
            raise InvalidInput.at("Upload-Metadata", f"`{name}` is missing: its value is a text in base64.")
    conditions = sent_conditions(request)
    return NewResumable(
        values["bucket"],
        values["key"],
        length,
        values.get("content_type", ""),
        values.get("cache_control", ""),
        sent_metadata(values.get("metadata"), "Upload-Metadata"),
        sent,
        conditions.if_match,
        conditions.if_none_match,
    )


def sent_values(sent: str) -> dict[str, str]:
    """Return the known values of Upload-Metadata. Raises: InvalidInput, InvalidObjectKey."""
    if len(sent) > MAX_UPLOAD_METADATA:
        raise InvalidInput.at("Upload-Metadata", f"This header has at most {MAX_UPLOAD_METADATA} bytes.")
    known = {other: name for name, others in NAMES.items() for other in others}
    values: dict[str, str] = {}
    for one in sent.split(","):
        name, _, value = one.strip().partition(" ")
        if name in known:
            try:
                values.setdefault(known[name], base64.b64decode(value, validate=True).decode())
            except UnicodeDecodeError:
                raise InvalidObjectKey("The values of Upload-Metadata are texts in UTF-8.") from None
            except (binascii.Error, ValueError):
                raise InvalidInput.at("Upload-Metadata", f"The value of `{name}` is not base64.") from None
    return values


async def _sent(storage: Storage, caller: Caller, request: AnyRequest, new: NewChunk) -> Resumable:
    """Pass the body to the upload. If it breaks off, the bytes that have arrived stay."""
    chunk = await storage.begin_chunk(caller, new)
    silent = DeadlineExceeded(f"No data arrived for {SILENCE_SECONDS:g} seconds; continue the upload.")
    incoming(request.scope).may_be_silent(SILENCE_SECONDS, silent)
    try:
        await fed(request, partial(storage.feed_chunk, caller, chunk), keeps=True)
        await check_credentials_again(request.scope)
    except BaseException:
        # in a separate task, because this request may be cancelled when the client disconnects
        ending = asyncio.ensure_future(storage.finish_chunk(caller, chunk, False))
        await asyncio.wait((ending,))
        if not ending.cancelled():
            ending.exception()
        raise
    return await storage.finish_chunk(caller, chunk, True)


def _chunk_of(request: AnyRequest, upload: str, offset: int) -> NewChunk:
    """Raises: InvalidInput."""
    size, length = _number(request, "Content-Length"), _number(request, "Upload-Length") if upload else None
    sent = request.headers.get("upload-checksum")
    if sent is None:
        return NewChunk(upload, offset, length, size)
    algorithm, _, encoded = sent.partition(" ")
    try:
        digest = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if algorithm not in ALGORITHMS or not digest:
        known = ", ".join(ALGORITHMS)
        raise InvalidInput.at("Upload-Checksum", f"Send one of {known}, a space, and the digest in base64.")
    return NewChunk(upload, offset, length, size, algorithm, digest.hex())


def _number(request: AnyRequest, name: str) -> int | None:
    """Raises: InvalidInput."""
    text = request.headers.get(name.lower())
    if text is None:
        return None
    found = whole_number(text, 2**63 - 1)
    if found is None:
        raise InvalidInput.at(name, "Send a number of bytes.")
    return found


def _answer(state: Resumable, status: int, more: dict[str, str]) -> Response[bytes]:
    return Response(api_json(state), status_code=status, media_type=JSON, headers={**_headers(state), **more})


def _headers(state: Resumable) -> dict[str, Any]:
    found = {
        "tus-resumable": VERSION,
        "upload-offset": str(state.offset),
        "upload-expires": format_datetime(state.expires_at, usegmt=True),
    }
    found |= {"upload-defer-length": "1"} if state.length is None else {"upload-length": str(state.length)}
    if state.sent:
        found["upload-metadata"] = state.sent
    if state.object is not None:
        found["etag"] = f'"{state.object.etag}"'
    return found


ROUTES: Final = (get_upload_features, begin_upload, get_upload, continue_upload, end_upload)
