"""The answer to `OPTIONS *`, a request about the whole server. Clients use this request as a ping (RFC 9110 §9.3.7)."""

from __future__ import annotations

from typing import Any, Final

ALLOW: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


async def server_wide(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", ALLOW)]})
    await send({"type": "http.response.body", "body": b""})
