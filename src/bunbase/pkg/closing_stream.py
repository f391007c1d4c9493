"""A streamed answer that closes its iterator as soon as the answer ends, also if the client needs no more of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from litestar.response import Stream


class ClosingStream(Stream):
    """Litestar leaves an unfinished iterator to garbage collection, which may come minutes later."""

    def __init__(self, parts: AsyncGenerator[bytes, None], media_type: str) -> None:
        super().__init__(parts, media_type=media_type, headers={"cache-control": "no-store"})
        self.parts = parts

    def to_asgi_response(self, *args: Any, **options: Any) -> Any:
        sending: Any = super().to_asgi_response(*args, **options)

        async def closing(scope: Any, receive: Any, send: Any) -> None:
            try:
                await sending(scope, receive, send)
            finally:
                await self.parts.aclose()

        return closing
