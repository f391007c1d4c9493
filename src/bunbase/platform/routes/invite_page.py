"""The page that the link of an invitation opens, until the console has one.

The token is in the fragment of the address, so it never reaches the server. The page has no scripts: it explains how
to accept the invitation with the command.
"""

from __future__ import annotations

from typing import Final

from litestar import MediaType, Response, get
from litestar.datastructures import CacheControlHeader

HEADERS: Final = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>You are invited to BunBase</title>
</head>
<body>
<h1>You are invited to BunBase</h1>
<p>Copy the whole address of this page. Sign in with the <code>bunbase</code> command, and accept the invitation:</p>
<pre>bunbase login
bunbase invites accept '&lt;the address of this page&gt;'</pre>
<p>If you have no account yet, run <code>bunbase register</code> first. The address works once. Do not pass it on.</p>
</body>
</html>
"""


@get(
    "/invite",
    include_in_schema=False,
    media_type=MediaType.HTML,
    cache_control=CacheControlHeader(public=True, max_age=300),
)
async def invite_page() -> Response[str]:
    return Response(PAGE, headers=HEADERS)


ROUTES = (invite_page,)
