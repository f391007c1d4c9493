"""The error class of this client, with subclasses for the kinds of errors that programs handle most often.

Problem
├── NotFound      404
├── Conflict      409, 412: somebody else was faster, or an id or unique value is taken
├── Denied        401, 403: the credential, its scopes, or a rule
├── RateLimited   429
└── Unreachable   no answer: `network` or `timeout`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final


class Problem(Exception):
    """An error of a call. Compare `code`, which never changes. Show `detail` to people: it contains the next step.

    `status`: the status of the answer, or 0 without an answer. `request_id`: the id of the request in the server's log.
    `retry_after`: the seconds that the server asks to wait. `body`: all members of the answer (RFC 9457).
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        status: int = 0,
        body: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail or code)
        self.code = code
        self.status = status
        self.detail = detail or code
        self.body: Mapping[str, Any] = body or {}
        self.retry_after = retry_after

    @property
    def request_id(self) -> str | None:
        """The id of the request, or None if the server did not answer."""
        found = self.body.get("request_id")
        return found if isinstance(found, str) else None

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The wrong values, each with its `path` (a JSON Pointer) and a `message`."""
        found = self.body.get("errors")
        return found if isinstance(found, list) else []

    def __str__(self) -> str:
        return self.detail if self.detail == self.code else f"{self.detail} ({self.code})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.code, self.detail, self.status, dict(self.body), self.retry_after)


class NotFound(Problem):
    """The requested thing does not exist, or a rule hides it."""


class Conflict(Problem):
    """Somebody else was faster, or an id or a unique value is taken."""


class Denied(Problem):
    """The credential is wrong, or does not allow this request."""


class RateLimited(Problem):
    """There were too many requests. `retry_after` has the seconds to wait."""


class Unreachable(Problem):
    """There was no answer. `code` is `network` or `timeout`; `__cause__` has the error of the connection."""


KINDS: Final[Mapping[int, type[Problem]]] = {
    0: Unreachable,
    401: Denied,
    403: Denied,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    429: RateLimited,
}


def problem_of(
    code: str,
    detail: str = "",
    *,
    status: int,
    body: Mapping[str, Any] | None = None,
    retry_after: float | None = None,
) -> Problem:
    """Return a problem of the subclass for its status."""
    return KINDS.get(status, Problem)(code, detail, status=status, body=body, retry_after=retry_after)


def invalid_value(path: str, message: str) -> Problem:
    """Return the problem of a value that cannot be sent. `path`: a JSON Pointer, or the name of a parameter."""
    body = {"errors": [{"path": path, "message": message}]}
    return Problem("invalid_value", f"{path or 'The value'}: {message}", body=body)


def _restored(
    kind: type[Problem], code: str, detail: str, status: int, body: dict[str, Any], retry_after: float | None
) -> Problem:
    return kind(code, detail, status=status, body=body, retry_after=retry_after)
