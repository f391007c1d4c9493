"""Service tokens. All threads or tasks share one token, and use it for 80 % of its lifetime."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from bunbase_sdk.core.answers import problem_in, value_of
from bunbase_sdk.core.credentials import Credential
from bunbase_sdk.core.deadline import Deadline
from bunbase_sdk.core.flow import Flow, Send, alone, send
from bunbase_sdk.problem import problem_of

LOCK: Final = "token"
KEPT: Final = 0.8
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class ServiceToken:
    """A token for another program. `value`: the token, which `repr` does not show. `expires_at`: seconds since 1970.

    `scopes`: the rights of the token.
    """

    value: str = field(repr=False)
    expires_at: float
    scopes: tuple[str, ...]


class Tokens:
    """The headers that authenticate a request. A service account gets a token for them."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential
        self._kept: tuple[str, float] | None = None

    def headers(self, url: str, within: Deadline) -> Flow[Mapping[str, str]]:
        """Return the headers of a request. Raises: Problem, Broken."""
        if self._credential.account is None:
            return self._credential.headers
        return _bearer((yield from self._value(url, "", within)))

    def renewed(self, url: str, refused: Mapping[str, str], within: Deadline) -> Flow[Mapping[str, str] | None]:
        """Return headers with a new token in place of the refused token, or None if the credential gets no tokens."""
        if self._credential.account is None:
            return None
        return _bearer((yield from self._value(url, refused["Authorization"].removeprefix("Bearer "), within)))

    def _value(self, url: str, refused: str, within: Deadline) -> Flow[str]:
        kept = self._kept
        if kept and kept[0] != refused and time.monotonic() < kept[1]:
            return kept[0]
        return (yield from alone(LOCK, self._got(url, refused, within)))

    def _got(self, url: str, refused: str, within: Deadline) -> Flow[str]:
        kept = self._kept
        if kept and kept[0] != refused and time.monotonic() < kept[1]:
            return kept[0]  # another thread or task has already got a new token
        began = time.monotonic()
        token = yield from exchange(url, self._credential, (), within)
        self._kept = token.value, began + KEPT * (token.expires_at - time.time())
        return token.value


def exchange(url: str, credential: Credential, scopes: Sequence[str], within: Deadline) -> Flow[ServiceToken]:
    """Get a token (RFC 6749 §4.4). `scopes`: empty for all scopes of the credential. Raises: Problem, Broken."""
    address = f"{url}/v1/auth/token"
    form = {"grant_type": "client_credentials", **credential.proof(url)}
    if scopes:
        form["scope"] = " ".join(scopes)
    answer = yield from send(Send("POST", address, FORM, urlencode(form).encode(), within.left()))
    if not answer.ok:
        problem = problem_in(answer)
        error: Any = problem.body.get("answer")
        if isinstance(error, dict) and isinstance(error.get("error"), str):  # RFC 6749 §5.2
            detail = str(error.get("error_description", ""))
            raise problem_of(error["error"], detail, status=answer.status, body=error)
        raise problem
    given = value_of(answer)
    expires_at = time.time() + given["expires_in"]
    return ServiceToken(given["access_token"], expires_at, tuple(given["scope"].split()))


def _bearer(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}
