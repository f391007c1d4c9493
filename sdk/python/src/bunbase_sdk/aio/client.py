"""The client for asyncio."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx

from bunbase_sdk.aio.driver import AsyncDriver
from bunbase_sdk.aio.project import AsyncProject
from bunbase_sdk.core.credentials import ServiceAccount, credential_of, from_environment
from bunbase_sdk.core.project import ProjectCalls
from bunbase_sdk.core.transport import RETRIES, TIMEOUT_SECONDS, Transport
from bunbase_sdk.core.verify import Keys


class AsyncClient(AsyncProject):
    """The documents, users, functions and jobs of one project. The tasks of one event loop may share it.

    `key`: a secret key (`sk_…`), a ServiceAccount, a personal access token (`bpt_…`) together with `project`, or a
    service token. `project`: the id of the project (`prj_…`). `timeout`: in seconds, for a call with its retries.
    `retries`: how often a call that may be repeated is tried again. `http`: your own client of httpx, for proxies and
    certificates; you close it.

    ```python
    async with AsyncClient("https://api.example.com", "sk_…") as client:
        await client.data.collection("posts").create({"title": "Hello"})
    ```
    """

    def __init__(
        self,
        url: str,
        key: str | ServiceAccount,
        *,
        project: str | None = None,
        timeout: float = TIMEOUT_SECONDS,
        retries: int = RETRIES,
        headers: Mapping[str, str] | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        credential = credential_of(key, project)
        self._transport = Transport(url, credential, timeout=timeout, retries=retries, headers=headers)
        self._keys = Keys()
        super().__init__(ProjectCalls(self._transport, self._keys), AsyncDriver(url, http))

    @classmethod
    def from_env(cls, *, timeout: float = TIMEOUT_SECONDS, retries: int = RETRIES) -> Self:
        """Make a client of the environment: `BUNBASE_URL`, and one of `BUNBASE_SECRET_KEY`, `BUNBASE_SERVICE_ACCOUNT`
        (the path of a JSON file) and `BUNBASE_TOKEN` with `BUNBASE_PROJECT`.

        ```python
        client = AsyncClient.from_env()
        ```
        """
        found = from_environment()
        return cls(found.url, found.key, project=found.project, timeout=timeout, retries=retries)

    def with_options(
        self,
        *,
        timeout: float | None = None,
        retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncProject:
        """Return the same client with other options. It shares the connections, so only this one needs to be closed.

        ```python
        patient = client.with_options(timeout=120, retries=5)
        ```
        """
        transport = self._transport.with_options(timeout, retries, headers or {})
        return AsyncProject(ProjectCalls(transport, self._keys), self._driver)

    async def close(self) -> None:
        """Close the connections. Idempotent.

        ```python
        await client.close()
        ```
        """
        await self._driver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
