"""The variables of functions."""

from __future__ import annotations

from typing import cast

from bunbase_sdk.core.developer_paths import project_path
from bunbase_sdk.core.flow import Emit, Flow, Items
from bunbase_sdk.core.transport import Transport, Wanted, search, without_none
from bunbase_sdk.models import Variable


class EnvCalls:
    """The variables of functions, which are stored encrypted. These methods need a personal access token."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, *, reveal: bool = False, timeout: float | None = None) -> Items[Variable]:
        """Yield the variables. `reveal`: also return their values, which needs the scope `secrets`.

        ```python
        for variable in client.env.list():
            print(variable["name"], variable["updated_at"])
        ```
        """
        where = project_path(self._transport, "env") + search({"reveal": reveal or None})
        wanted = Wanted("GET", where, repeatable=True, administers=True)
        answer = yield from self._transport.json(wanted, self._transport.deadline(timeout))
        for item in answer["items"]:
            yield Emit(item)

    def set(
        self, name: str, value: str, *, exposed: bool | None = None, timeout: float | None = None
    ) -> Flow[Variable]:
        """Set a variable; the next call of a function sees it. Idempotent.

        `exposed`: if False, functions cannot read the value, and can only use the name in a header of `fetch`.

        ```python
        client.env.set("GREETING", "Ahoy")
        ```
        """
        body = {"value": value, **without_none(exposed=exposed)}
        wanted = Wanted("PUT", project_path(self._transport, "env", name), body, repeatable=True, administers=True)
        return cast("Variable", (yield from self._transport.json(wanted, self._transport.deadline(timeout))))

    def delete(self, name: str, *, timeout: float | None = None) -> Flow[None]:
        """Delete a variable. Raises: NotFound.

        ```python
        client.env.delete("GREETING")
        ```
        """
        wanted = Wanted("DELETE", project_path(self._transport, "env", name), administers=True)
        yield from self._transport.json(wanted, self._transport.deadline(timeout))
