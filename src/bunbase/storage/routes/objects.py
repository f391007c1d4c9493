"""`/v1/storage/objects/{bucket}/{key}`: one object.

The key is everything after the bucket (`pkg/object_paths.py`).
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import unquote_to_bytes

import msgspec
from litestar import Response, delete, get, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from bunbase.contracts.caller import Caller
from bunbase.contracts.images import DEFAULT_QUALITY, MAX_QUALITY, MAX_SIDE, MIN_QUALITY, Fit, Format, Transform
from bunbase.contracts.storage import (
    Conditions,
    InvalidObjectKey,
    NewObject,
    Opened,
    Place,
    Reading,
    Storage,
    StoredObject,
)
from bunbase.pkg.errors import DeadlineExceeded, InvalidInput
from bunbase.pkg.http import IS_HEAD, Injected, check_credentials_again
from bunbase.pkg.http1.incoming import incoming
from bunbase.pkg.numbers import whole_number
from bunbase.pkg.object_paths import object_key
from bunbase.pkg.openapi import answers, reads
from bunbase.pkg.pieces import Collector
from bunbase.storage.routes.answer import ObjectAnswer, written_answer
from bunbase.storage.routes.buckets import TAGS, AnyRequest, BucketName

FEED_BYTES: Final = 256 << 10  # a request has up to six times as much in memory, so this bounds that of parallel ones
FEED_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 60.0
MAX_LENGTH: Final = 2**63 - 1
METADATA: Final = "X-Bunbase-Metadata"
OWNER: Final = "X-Bunbase-Owner"
PATH: Final = "/v1/storage/objects/{bucket:str}/{key:str}"

Key = Annotated[
    str,
    PathParameter(
        description="The key of the object: everything after the bucket, percent-encoded. Slashes may be sent as they "
        "are; `a//b` and `a/b` are different keys.",
        schema_extra={"pattern": r"^[^\u0000]{1,1024}$"},
    ),
]
Token = Annotated[
    str, QueryParameter(max_length=8192, description="The token of a signed link, which replaces the key of a project.")
]
Content = Annotated[bytes, msgspec.Meta(description="The bytes of the object.", extra_json_schema={"format": "binary"})]


def header(name: str, description: str) -> Any:
    return HeaderParameter(name=name, description=description)


IfMatch = Annotated[str | None, header("If-Match", "Do the act only if the object has this ETag; `*`: if it exists.")]
IfNoneMatch = Annotated[
    str | None, header("If-None-Match", "Do the act only if the object has another ETag; `*`: if there is no object.")
]
Metadata = Annotated[str | None, header(METADATA, "JSON in ASCII: an object of strings, of at most 2 KiB.")]
Caching = Annotated[str | None, header("Cache-Control", "The Cache-Control with which the object is served.")]
Digest = Annotated[str | None, header("Content-MD5", "The MD5 of the bytes in base64; the upload fails if it differs.")]
Owner = Annotated[
    str | None, header(OWNER, "The id of the user who owns a new object. Only for the secret key and members.")
]
Side = Annotated[
    int | None,
    QueryParameter(ge=1, le=MAX_SIDE, description="The largest width or height of the image in pixels, in steps."),
]
ImageFit = Annotated[
    Fit | None,
    QueryParameter(
        description="With width and height: `cover` fills the box and cuts what is outside, `contain` fits the whole "
        "image into the box, `fill` stretches it. The default is `cover`."
    ),
]
ImageFormat = Annotated[
    Format | None,
    QueryParameter(
        description="The format of the image. The default `auto` is WebP if `Accept` names it, and otherwise `origin`, "
        "the format of the object."
    ),
]
Quality = Annotated[
    int | None,
    QueryParameter(
        ge=MIN_QUALITY, le=MAX_QUALITY, description=f"The quality of the image. The default is {DEFAULT_QUALITY}."
    ),
]
Range = Annotated[str | None, header("Range", "One range of bytes, such as `bytes=0-1023`.")]


@put(
    PATH,
    status_code=200,
    summary="Upload an object",
    tags=TAGS,
    operation_class=reads(Content, "*/*"),
    request_max_body_size=None,
    responses={
        200: answers(StoredObject, "The object was replaced."),
        201: answers(StoredObject, "The object was created."),
    },
)
async def put_object(
    guest: Injected[Caller],
    storage: Injected[Storage],
    request: AnyRequest,
    bucket: BucketName,
    key: Key,
    token: Token = "",
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
    metadata: Metadata = None,
    cache_control: Caching = None,
    content_md5: Digest = None,
    owner: Owner = None,
) -> Response[bytes]:
    """Stores the body as an object, and replaces an object with the same key. The body may have any size up to the
    limit of the bucket, and is never held in memory as a whole.

    The answer means that the object is on disk. If the upload fails, the present object stays as it is. The
    `Content-Type` of the request is stored; a value that is not a type is stored as `application/octet-stream`.
    """
    place = Place(bucket, sent_key(request), token)
    silent = DeadlineExceeded(f"No data arrived for {SILENCE_SECONDS:g} seconds; send the object again.")
    upload = await storage.begin_upload(guest, place, new_object(request))
    incoming(request.scope).may_be_silent(SILENCE_SECONDS, silent)
    try:
        await fed(request, partial(storage.feed_upload, guest, upload))
        await check_credentials_again(request.scope)
        written = await storage.finish_upload(guest, upload)
    except BaseException:
        await storage.abort_upload(guest, upload)
        raise
    return written_answer(written)


@get(
    PATH,
    summary="Download an object",
    tags=TAGS,
    responses={
        200: answers(Content, "The bytes of the object, with its content type.", "*/*"),
        206: answers(Content, "The bytes of the range.", "*/*"),
        304: ResponseSpec(None, generate_examples=False, description="The object has not changed."),
    },
)
async def get_object(
    guest: Injected[Caller],
    storage: Injected[Storage],
    request: AnyRequest,
    bucket: BucketName,
    key: Key,
    token: Token = "",
    width: Side = None,
    height: Side = None,
    fit: ImageFit = None,
    format: ImageFormat = None,
    quality: Quality = None,
    range: Range = None,
    if_none_match: IfNoneMatch = None,
) -> ObjectAnswer:
    """Returns the bytes of an object, or a range of them. Objects of a public bucket, and signed links, need no key but
    `?project=<id>`.

    Only images, audio and video are shown by a browser; other types are offered as a download, because a page could
    run scripts under the address of this server.

    With `width`, `height`, `fit`, `format` or `quality`, the answer is a variant of an image in PNG, JPEG, GIF, WebP or
    AVIF. It is never larger than the image, is turned as the camera was held, and has no metadata.
    """
    conditions = sent_conditions(request)
    reading = Reading(
        Place(bucket, sent_key(request), token),
        conditions,
        request.headers.get("range", ""),
        request.headers.get("if-range", ""),
        IS_HEAD in request.scope["state"],
        transform=sent_transform(request, width, height, fit, format, quality),
    )
    parts = storage.read(guest, reading)
    opened = await anext(parts)
    assert isinstance(opened, Opened)
    return ObjectAnswer(opened, parts)


@delete(PATH, summary="Delete an object", tags=TAGS)
async def delete_object(
    accessor: Injected[Caller],
    storage: Injected[Storage],
    request: AnyRequest,
    bucket: BucketName,
    key: Key,
    if_match: IfMatch = None,
) -> None:
    """Deletes an object, if the conditions of the request hold. Its bytes are deleted from the disk later."""
    await storage.delete_object(accessor, Place(bucket, sent_key(request)), sent_conditions(request))


def sent_key(request: AnyRequest) -> str:
    """Return the key in the path. Raises: InvalidObjectKey."""
    raw: bytes = request.scope["raw_path"].partition(b"?")[0]
    try:
        return unquote_to_bytes(object_key(raw)).decode()
    except UnicodeDecodeError:
        raise InvalidObjectKey("A key is text in UTF-8.") from None


def sent_transform(
    request: AnyRequest,
    width: int | None,
    height: int | None,
    fit: Fit | None,
    format: Format | None,
    quality: int | None,
) -> Transform | None:
    """Return the variant of an image that a request asks for; None for the object itself."""
    if width is None and height is None and fit is None and format is None and quality is None:
        return None
    webp = reads_webp(request.headers.get("accept", ""))
    return Transform(width or 0, height or 0, fit or "cover", format or "auto", quality or DEFAULT_QUALITY, webp)


def reads_webp(accept: str) -> bool:
    """True if the header names WebP. `*/*` does not count, because programs that send only this may not know WebP."""
    for one in accept.split(","):
        name, _, parameters = one.partition(";")
        if name.strip().lower() == "image/webp":
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def sent_conditions(request: AnyRequest) -> Conditions:
    """Return the conditional headers. Several headers of one name are one list (RFC 9110 §5.3)."""
    names = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")
    return Conditions(*[", ".join(request.headers.getall(name, [])) or None for name in names])


def new_object(request: AnyRequest) -> NewObject:
    """Return the properties in the headers of an upload. Raises: InvalidInput."""
    headers = request.headers
    if "content-range" in headers:  # RFC 9110 §14.5: a part must not replace the whole object
        raise InvalidInput.at("Content-Range", "An upload has the whole object: send all bytes without this header.")
    return NewObject(
        headers.get("content-type", ""),
        whole_number(headers.get("content-length", ""), MAX_LENGTH),
        headers.get("cache-control", ""),
        sent_metadata(headers.get(METADATA.lower()), METADATA),
        sent_conditions(request),
        _md5(headers.get("content-md5", "")),
        owner=headers.get(OWNER.lower(), ""),
    )


async def fed(request: AnyRequest, feed: Callable[[bytes], Awaitable[None]], keeps: bool = False) -> None:
    """Pass the body to `feed`, in pieces of at most FEED_BYTES. Pieces that arrive slowly are not collected for long,
    so that a slow upload does not look like a silent one. `keeps`: true to pass on all bytes that have arrived, if the
    body breaks off.
    """
    collector, fed_at = Collector(FEED_BYTES), time.monotonic()
    pieces = request.stream()
    while True:
        try:
            piece = await anext(pieces, None)
        except BaseException:
            if keeps and (rest := collector.take()):
                await feed(rest)
            raise
        if piece is None:
            break
        for full in collector.add(piece):
            await feed(full)
            fed_at = time.monotonic()
        if collector.filled and time.monotonic() - fed_at >= FEED_SECONDS:
            await feed(collector.take())
            fed_at = time.monotonic()
    if rest := collector.take():
        await feed(rest)


def sent_metadata(text: str | None, path: str) -> dict[str, str]:
    """Return the strings of a JSON object. `path`: the header. Raises: InvalidInput."""
    if not text:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise InvalidInput.at(path, 'Send JSON in ASCII: an object of strings, such as {"title":"Sunrise"}.') from None


def _md5(text: str) -> str:
    """Return the digest in hexadecimal digits. Raises: InvalidInput."""
    if not text:
        return ""
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise InvalidInput.at("Content-MD5", "Send the 16 bytes of the MD5 in base64.")
    return digest.hex()


ROUTES: Final = (put_object, get_object, delete_object)
