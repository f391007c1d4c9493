"""Problems: the exceptions for expected failures. Rooms raise no other exceptions for expected failures.

The gateway sends a Problem as an RFC 9457 `application/problem+json` body. After a call to a room in another process,
the caller gets the same Python exception. Any other exception is a bug: the caller gets status 500 with a request id,
and the log contains the traceback.

    Problem
    ├── Malformed            400 malformed_request       the bytes could not be read
    ├── Unauthenticated      401 unauthenticated         no valid credentials
    ├── Forbidden            403 forbidden               not allowed
    ├── NotFound             404 not_found               no such route
    ├── MethodNotAllowed     405 method_not_allowed
    ├── RequestStalled       408 request_stalled         the rest of the request did not arrive in time
    ├── TooLarge             413 payload_too_large
    ├── UnsupportedMedia     415 unsupported_media_type
    ├── InvalidInput         422 invalid_input           well-formed, but not acceptable
    ├── RateLimited          429 rate_limited            with Retry-After
    ├── HeadersTooLarge      431 headers_too_large
    ├── ClientGone           499 client_gone             the client left before the answer; only in log and metrics
    ├── Internal             500 internal
    ├── NotSupported         501 not_supported           a part of HTTP that this server does not implement
    ├── Unreachable          503 unreachable             a needed service did not answer
    ├── TooManyConnections   503 too_many_connections    with Retry-After
    ├── Stopping             503 stopping                with Retry-After
    ├── DeadlineExceeded     504 deadline_exceeded
    └── VersionNotSupported  505 http_version_not_supported
    The contract of each room defines more Problems.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self


class CannotStart(Exception):
    """BunBase cannot start. The message is one line that describes the error and how to solve it."""


CODES: dict[str, type[Problem]] = {}

RESERVED = frozenset({"type", "title", "status", "code", "detail", "request_id"})


class Problem(Exception):
    """An expected failure with a stable code. A Problem contains no secrets, so the caller may see it.

    `detail`: a text that describes the error and the next step. `extra`: additional members of the JSON body.
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
            raise TypeError(f"every problem already has a member {', '.join(sorted(taken))}")
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extra = extra

    @classmethod
    def at(cls, path: str, message: str, detail: str = "") -> Self:
        """Return a Problem about one value of the request.

        `path`: the JSON Pointer of the value (RFC 6901), "" for the whole body; or the name of a parameter or
        header. `detail`: `message` by default.
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
        if "invocation" in self.extra:  # The call of a function has failed.
            headers["x-bunbase-invocation"] = str(self.extra["invocation"])
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
    status, code, title = 404, "not_found", "There is no such route"


class MethodNotAllowed(Problem):
    status, code, title = 405, "method_not_allowed", "This route does not support the method"


class RequestStalled(Problem):
    status, code, title = 408, "request_stalled", "The rest of the request did not arrive in time"


class TooLarge(Problem):
    status, code, title = 413, "payload_too_large", "The request body is too large"


class UnsupportedMedia(Problem):
    status, code, title = 415, "unsupported_media_type", "This content type is not accepted here"


class InvalidInput(Problem):
    """`errors`: a list of `{"path": str, "message": str}`. `path`: a JSON Pointer in the body, or the name of a
    parameter or header.
    """

    status, code, title = 422, "invalid_input", "The request is well-formed but not acceptable"


class RateLimited(Problem):
    status, code, title = 429, "rate_limited", "Too many requests"


class HeadersTooLarge(Problem):
    status, code, title = 431, "headers_too_large", "The URL and headers of this request are too large"


class ClientGone(Problem):
    status, code, title = 499, "client_gone", "The client closed the connection before the answer"


class Internal(Problem):
    status, code, title = 500, "internal", "The server failed unexpectedly"


class NotSupported(Problem):
    status, code, title = 501, "not_supported", "This server does not support that part of HTTP"


class Unreachable(Problem):
    status, code, title = 503, "unreachable", "A part of the server cannot be reached"


class TooManyConnections(Problem):
    status, code, title = 503, "too_many_connections", "Too many connections are open"


class Stopping(Problem):
    status, code, title = 503, "stopping", "The server is stopping"


class DeadlineExceeded(Problem):
    status, code, title = 504, "deadline_exceeded", "The answer was not ready in time"


class VersionNotSupported(Problem):
    status, code, title = 505, "http_version_not_supported", "This server supports HTTP/1.1 and HTTP/1.0"


def problem_from_body(body: dict[str, Any]) -> Problem:
    """Return the Problem that `body()` described. An unknown code becomes Internal, with the same detail."""
    kind = CODES.get(body.get("code", ""), Internal)
    extra = {name: value for name, value in body.items() if name not in RESERVED}
    return kind(body.get("detail", ""), **extra)
