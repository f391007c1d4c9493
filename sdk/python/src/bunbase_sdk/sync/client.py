"""The client for programs that wait for each answer."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx

from bunbase_sdk.core.credentials import ServiceAccount, credential_of, from_environment
from bunbase_sdk.core.project import ProjectCalls
from bunbase_sdk.core.transport import RETRIES, TIMEOUT_SECONDS, Transport
from bunbase_sdk.core.verify import Keys
from bunbase_sdk.sync.driver import Driver
from bunbase_sdk.sync.project import Project


class Client(Project):
    """The documents, users, functions and jobs of one project. Threads may share it.

    `key`: a secret key (`sk_…`), a ServiceAccount, a personal access token (`bpt_…`) together with `project`, or a
    service token. `project`: the id of the project (`prj_…`). `timeout`: in seconds, for a call with its retries.
    `retries`: how often a call that may be repeated is tried again. `http`: your own client of httpx, for proxies and
    certificates; you close it.

    ```python
    with Client("https://api.example.com", "sk_…") as client:
        client.data.collection("posts").create({"title": "Hello"})
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
        http: httpx.Client | None = None,
    ) -> None:
        credential = credential_of(key, project)
        self._transport = Transport(url, credential, timeout=timeout, retries=retries, headers=headers)
        self._keys = Keys()
        super().__init__(ProjectCalls(self._transport, self._keys), Driver(url, http))

    @classmethod
    def from_env(cls, *, timeout: float = TIMEOUT_SECONDS, retries: int = RETRIES) -> Self:
        """Make a client of the environment: `BUNBASE_URL`, and one of `BUNBASE_SECRET_KEY`, `BUNBASE_SERVICE_ACCOUNT`
        (the path of a JSON file) and `BUNBASE_TOKEN` with `BUNBASE_PROJECT`.

        ```python
        client = Client.from_env()
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
    ) -> Project:
        """Return the same client with other options. It shares the connections, so only this one needs to be closed.

        ```python
        patient = client.with_options(timeout=120, retries=5)
        ```
        """
        transport = self._transport.with_options(timeout, retries, headers or {})
        return Project(ProjectCalls(transport, self._keys), self._driver)

    def close(self) -> None:
        """Close the connections. Idempotent.

        ```python
        client.close()
        ```
        """
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
