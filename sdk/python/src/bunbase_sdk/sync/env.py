"""The variables of functions.

Written by `make gen` from core/env.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from bunbase_sdk.core import env as core
from bunbase_sdk.models import Variable
from bunbase_sdk.sync.driver import Driver


class Env:
    """The variables of functions, which are stored encrypted. These methods need a personal access token."""

    def __init__(self, calls: core.EnvCalls, driver: Driver) -> None:
        self._calls = calls
        self._driver = driver

    def list(self, *, reveal: bool = False, timeout: float | None = None) -> Iterator[Variable]:
        """Yield the variables. `reveal`: also return their values, which needs the scope `secrets`.

        ```python
        for variable in client.env.list():
            print(variable["name"], variable["updated_at"])
        ```
        """
        return self._driver.items(self._calls.list(reveal=reveal, timeout=timeout))

    def set(self, name: str, value: str, *, exposed: bool | None = None, timeout: float | None = None) -> Variable:
        """Set a variable; the next call of a function sees it. Idempotent.

        `exposed`: if False, functions cannot read the value, and can only use the name in a header of `fetch`.

        ```python
        client.env.set("GREETING", "Ahoy")
        ```
        """
        return self._driver.run(self._calls.set(name, value, exposed=exposed, timeout=timeout))

    def delete(self, name: str, *, timeout: float | None = None) -> None:
        """Delete a variable. Raises: NotFound.

        ```python
        client.env.delete("GREETING")
        ```
        """
        self._driver.run(self._calls.delete(name, timeout=timeout))
