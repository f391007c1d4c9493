"""A streamed answer that closes its iterator as soon as the answer ends, even if the client leaves early."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Protocol

from litestar.response import Stream

NO_STORE: Final = {"cache-control": "no-store"}


class Parts(Protocol):
    """An iterator over the parts of an answer, for example an asynchronous generator."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def __anext__(self) -> bytes: ...

    async def aclose(self) -> None: ...


class ClosingStream(Stream):
    """Closes its iterator at once. Litestar would leave this to garbage collection, which may take minutes."""

    def __init__(self, parts: Parts, media_type: str, headers: Mapping[str, str] = NO_STORE) -> None:
        super().__init__(parts, media_type=media_type, headers=dict(headers))
        self.parts = parts

    def to_asgi_response(self, *args: Any, **options: Any) -> Any:
        sending: Any = super().to_asgi_response(*args, **options)

        async def closing(scope: Any, receive: Any, send: Any) -> None:
            try:
                await sending(scope, receive, send)
            finally:
                await self.parts.aclose()

        return closing
