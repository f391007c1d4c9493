"""Tokens of end users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from bunbase_sdk.core.flow import Flow
from bunbase_sdk.core.transport import Transport, Wanted, without_none
from bunbase_sdk.core.verify import Claims, Keys
from bunbase_sdk.problem import invalid_value


class AuthCalls:
    """Tokens of end users."""

    def __init__(self, transport: Transport, keys: Keys) -> None:
        self._transport = transport
        self._keys = keys

    def verify(
        self, token: str, *, project: str | None = None, allow_service: bool = False, timeout: float | None = None
    ) -> Flow[Claims]:
        """Return the claims of an access token that the project has signed and that has not expired.

        The client keeps the public keys for an hour, so most calls send no request. The token can also be valid after
        its session has ended: only BunBase itself refuses such a token within a second. `project`: the id (`prj_…`) of
        the project, by default the client's project. `allow_service`: also accept service tokens, which service
        accounts and keys get. Raises: Denied. This method needs `bunbase-sdk[jwt]`.

        ```python
        claims = client.auth.verify(token)
        print(claims["sub"], claims["role"])
        ```
        """
        name = project or self._transport.credential.project
        if not name:
            raise invalid_value("project", "Pass the id of the project (prj_…) here, or to the client.")
        if not name.startswith("prj_"):  # tokens contain the id, not the slug
            raise invalid_value("project", f"{name} is a slug. Checks of tokens need the id of the project (prj_…).")
        return self._keys.verified(self._transport, token, name, allow_service, timeout)

    def custom_token(
        self, user: str, claims: Mapping[str, object] | None = None, *, timeout: float | None = None
    ) -> Flow[str]:
        """Return a token that signs the user in once, within five minutes.

        ```python
        token = client.auth.custom_token("usr_1", {"device": "tv"})
        ```
        """
        body = {"uid": user, **without_none(claims=claims)}
        wanted = Wanted("POST", "/v1/auth/custom-token", body)
        answer = yield from self._transport.json(wanted, self._transport.deadline(timeout))
        return cast("str", answer["token"])
