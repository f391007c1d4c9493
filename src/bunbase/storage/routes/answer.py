"""The answers of objects. The one that streams an object closes the connection if it fails after the head."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from litestar.response import Response

from bunbase.contracts.storage import Opened, Piece, WrittenObject
from bunbase.pkg.api_json import api_json
from bunbase.pkg.errors import ClientGone, Problem
from bunbase.pkg.http1.incoming import incoming
from bunbase.pkg.logger import logger
from bunbase.pkg.media import JSON
from bunbase.storage.serving.headers import download_headers

log = logger("storage")

SLICE_BYTES: Final = 64 << 10  # the limit of uvicorn for bytes that wait for a client
WITHOUT_BODY: Final = (304,)


async def send_piece(scope: Any, send: Any, data: bytes) -> None:
    """Send a piece of a download in slices, each of which waits until the client has read most of the slice before.

    A piece that is sent at once waits in the buffer of the connection, beside the piece that is read next. So each of
    1,500 clients that read nothing cost the server 1.6 MB.

    Raises: ClientGone. Without this, the server read and decrypted the rest of an object for clients that had left.
    """
    request = incoming(scope)
    for at in range(0, len(data), SLICE_BYTES):
        if request.client_left():
            raise ClientGone("The client closed the connection before it had read the whole object.")
        await send({"type": "http.response.body", "body": data[at : at + SLICE_BYTES], "more_body": True})


def written_answer(written: WrittenObject) -> Response[bytes]:
    """Return the answer to an upload or a copy: 201 for a new object, 200 for one that was replaced."""
    headers = {"etag": f'"{written.object.etag}"'}
    status = 201 if written.created else 200
    return Response(api_json(written.object), status_code=status, media_type=JSON, headers=headers)


class ObjectAnswer(Response[None]):
    """`parts`: the rest of the result of `Storage.read`, after the Opened.

    Litestar's own streams are not used, because they add a charset to types of text.
    """

    def __init__(self, opened: Opened, parts: AsyncIterator[Opened | Piece]) -> None:
        super().__init__(None)
        self.opened = opened
        self.parts: Any = parts

    def to_asgi_response(self, *_args: Any, **_kwargs: Any) -> Any:
        return self.send_all

    async def send_all(self, scope: Any, _receive: Any, send: Any) -> None:
        headers = download_headers(self.opened)
        if self.opened.status not in WITHOUT_BODY:
            headers["content-type"] = self.opened.object.content_type
            headers["content-length"] = str(self.opened.end - self.opened.start)
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        try:
            await send({"type": "http.response.start", "status": self.opened.status, "headers": encoded})
            if self.opened.status not in WITHOUT_BODY:
                async for part in self.parts:
                    if isinstance(part, Piece):
                        await send_piece(scope, send, part.data)
            await send({"type": "http.response.body", "body": b""})
        except ClientGone:
            pass
        except Problem as problem:
            log.warning("a download was cut off", code=problem.code)  # without the last message the connection closes
        finally:
            await self.parts.aclose()
