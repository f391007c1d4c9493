"""Problems: the one way an expected failure leaves any room.

A Problem becomes an RFC 9457 `application/problem+json` body at the edge and the same Python exception again
on the far side of a remote call. Anything that is not a Problem is a bug: 500, a request id, a traceback in the log.

    Problem
    ├── Malformed            400 malformed_request       the bytes could not be read
    ├── Unauthenticated      401 unauthenticated         who are you?
    ├── Forbidden            403 forbidden               not allowed
    ├── NotFound             404 not_found               no such route
    ├── MethodNotAllowed     405 method_not_allowed
    ├── RequestStalled       408 request_stalled         the rest of the request did not come
    ├── TooLarge             413 payload_too_large
    ├── UnsupportedMedia     415 unsupported_media_type
    ├── InvalidInput         422 invalid_input           well-formed, but not acceptable
    ├── RateLimited          429 rate_limited            with Retry-After
    ├── HeadersTooLarge      431 headers_too_large
    ├── ClientGone           499 client_gone             nobody waits for the answer any more
    ├── Internal             500 internal
    ├── NotSupported         501 not_supported           HTTP knows it, this server does not
    ├── Unreachable          503 unreachable             a needed service did not answer
    ├── TooManyConnections   503 too_many_connections    with Retry-After
    ├── Stopping             503 stopping                with Retry-After
    ├── DeadlineExceeded     504 deadline_exceeded
    └── VersionNotSupported  505 http_version_not_supported
    each contract file adds its own
"""

from __future__ import annotations

from typing import Any, ClassVar, Self


class CannotStart(Exception):
    """BunBase cannot start with these settings; the message is one line that tells what to do."""


CODES: dict[str, type[Problem]] = {}

RESERVED = frozenset({"type", "title", "status", "code", "detail", "request_id"})


class Problem(Exception):
    """An expected failure with a stable code, safe to show to the caller.

    `detail`: tells the caller what to do next; `extra`: members of the JSON body in addition to the standard ones.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init_subclass__(cls) -> None:
        taken = CODES.get(cls.code)
        if taken is not None and (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"{taken.__qualname__} and {cls.__qualname__} share the code {cls.code!r}")
        CODES[cls.code] = cls

    def __init__(self, detail: str = "", **extra: Any) -> None:
        if taken := RESERVED & extra.keys():
            raise TypeError(f"{', '.join(sorted(taken))} is a member of every problem already")
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extra = extra

    @classmethod
    def at(cls, path: str, message: str, detail: str = "") -> Self:
        """Return a problem with one part of the request.

        `path`: JSON Pointer to that part (RFC 6901), "" for the whole; `detail`: the message if it is left out.
        """
        return cls(detail or message, errors=[{"path": path, "message": message}])

    def body(self, request_id: str = "") -> dict[str, Any]:
        """Return the members of the problem+json document."""
        body = {
            "type": f"https://bunbase.dev/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.extra,
        }
        if request_id:
            body["request_id"] = request_id
        return body

    def headers(self) -> dict[str, str]:
        """Return the HTTP headers that belong to this answer."""
        headers = {}
        if "retry_after_seconds" in self.extra:
            headers["retry-after"] = str(self.extra["retry_after_seconds"])
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        return headers


class Malformed(Problem):
    status, code, title = 400, "malformed_request", "The request could not be read"


class Unauthenticated(Problem):
    status, code, title = 401, "unauthenticated", "Sign in or send a key"


class Forbidden(Problem):
    status, code, title = 403, "forbidden", "You are not allowed to do this"


class NotFound(Problem):
    status, code, title = 404, "not_found", "There is nothing at this address"


class MethodNotAllowed(Problem):
    status, code, title = 405, "method_not_allowed", "This address does not answer that method"


class RequestStalled(Problem):
    status, code, title = 408, "request_stalled", "The rest of the request did not come"


class TooLarge(Problem):
    status, code, title = 413, "payload_too_large", "The request body is too large"


class UnsupportedMedia(Problem):
    status, code, title = 415, "unsupported_media_type", "This content type is not accepted here"


class InvalidInput(Problem):
    """`errors`: a list of `{"path": JSON Pointer, "message": str}`."""

    status, code, title = 422, "invalid_input", "The request is well-formed but not acceptable"


class RateLimited(Problem):
    status, code, title = 429, "rate_limited", "Too many requests"


class HeadersTooLarge(Problem):
    status, code, title = 431, "headers_too_large", "The address and headers of this request are too large"


class ClientGone(Problem):
    status, code, title = 499, "client_gone", "The client hung up before it was answered"


class Internal(Problem):
    status, code, title = 500, "internal", "Something went wrong on our side"


class NotSupported(Problem):
    status, code, title = 501, "not_supported", "This server does not support that part of HTTP"


class Unreachable(Problem):
    status, code, title = 503, "unreachable", "A needed service did not answer"


class TooManyConnections(Problem):
    status, code, title = 503, "too_many_connections", "Too many connections are open"


class Stopping(Problem):
    status, code, title = 503, "stopping", "The server is stopping"


class DeadlineExceeded(Problem):
    status, code, title = 504, "deadline_exceeded", "The answer did not come in time"


class VersionNotSupported(Problem):
    status, code, title = 505, "http_version_not_supported", "This server speaks HTTP/1.1 and HTTP/1.0"


def problem_from_body(body: dict[str, Any]) -> Problem:
    """Return the Problem that `body()` described. An unknown code becomes Internal, with the same detail."""
    kind = CODES.get(body.get("code", ""), Internal)
    extra = {name: value for name, value in body.items() if name not in RESERVED}
    return kind(body.get("detail", ""), **extra)
