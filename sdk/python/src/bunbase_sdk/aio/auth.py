"""Tokens of end users.

Written by `make gen` from core/auth.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from bunbase_sdk.aio.driver import AsyncDriver
from bunbase_sdk.core import auth as core
from bunbase_sdk.core.verify import Claims


class AsyncAuth:
    """Tokens of end users."""

    def __init__(self, calls: core.AuthCalls, driver: AsyncDriver) -> None:
        self._calls = calls
        self._driver = driver

    async def verify(
        self, token: str, *, project: str | None = None, allow_service: bool = False, timeout: float | None = None
    ) -> Claims:
        """Return the claims of an access token that the project has signed and that has not expired.

        The client keeps the public keys for an hour, so most calls send no request. The token can also be valid after
        its session has ended: only BunBase itself refuses such a token within a second. `project`: the id (`prj_…`) of
        the project, by default the client's project. `allow_service`: also accept service tokens, which service
        accounts and keys get. Raises: Denied. This method needs `bunbase-sdk[jwt]`.

        ```python
        claims = await client.auth.verify(token)
        print(claims["sub"], claims["role"])
        ```
        """
        return await self._driver.run(
            self._calls.verify(token, project=project, allow_service=allow_service, timeout=timeout)
        )

    async def custom_token(
        self, user: str, claims: Mapping[str, object] | None = None, *, timeout: float | None = None
    ) -> str:
        """Return a token that signs the user in once, within five minutes.

        ```python
        token = await client.auth.custom_token("usr_1", {"device": "tv"})
        ```
        """
        return await self._driver.run(self._calls.custom_token(user, claims, timeout=timeout))
