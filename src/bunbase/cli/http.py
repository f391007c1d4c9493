"""Send HTTP requests to one server, with time limits and clear failures. This module knows nothing about accounts."""

from __future__ import annotations

import platform
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from bunbase import __version__
from bunbase.cli.address import is_loopback
from bunbase.cli.certificates import refused_certificate, tls_context
from bunbase.cli.errors import Failure, Refused, Unreachable, Usage
from bunbase.cli.proxies import client_for

T = TypeVar("T")

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
NO_SEGMENTS: Final = frozenset({"", ".", ".."})
MAX_NAME: Final = 100  # the machine's name is cut after this number of characters
# the client's name is cut after this number of characters; the audit log keeps 200 characters in all
MAX_CLIENT: Final = 50


@dataclass(frozen=True)
class Call:
    """One request. `seconds`: the time limit for the start of the answer, and for each further part of the answer."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    content: bytes | None = None
    files: Mapping[str, Any] | None = None
    seconds: float = ANSWER_SECONDS


class Http:
    """An HTTP client for one server. `ca_file`: certificate authorities to trust in addition to the usual ones.

    Raises: Usage if the file cannot be read.
    """

    def __init__(self, url: str, ca_file: str = "") -> None:
        self.url = url
        tls = tls_context(ca_file) if url.startswith("https:") else True
        self.client = client_for(url, headers={"user-agent": user_agent()}, verify=tls)

    def send(self, call: Call, token: str = "", stream: bool = False) -> httpx.Response:
        """Return the answer, whatever its status. If the connection breaks, a GET is sent a second time.

        Raises: Unreachable.
        """
        request = self._request(call, token)
        try:
            return self.client.send(request, stream=stream)
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            if call.method != "GET":
                raise self._unreachable(error) from error
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        try:
            return self.client.send(request, stream=stream)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    @contextmanager
    def parts(self, reply: httpx.Response) -> Iterator[Iterator[bytes]]:
        """Yield the parts of a streamed answer as they arrive, and close the answer at the end. Raises: Unreachable."""
        try:
            yield reply.iter_bytes()
        except httpx.TransportError as error:
            raise Unreachable(f"{self.url} broke off the answer: {_reason(error)}.") from error
        finally:
            reply.close()

    def introduce(self, program: str, client: str) -> None:
        """Use another User-Agent from now on. `client`: the program that uses this command, or ""."""
        self.client.headers["user-agent"] = user_agent(program, client)

    def close(self) -> None:
        self.client.close()

    def _request(self, call: Call, token: str) -> httpx.Request:
        headers = dict(call.headers)
        if not (token.isascii() and token.isprintable()):  # httpx would raise an error that shows the token
            raise Usage("The token has a character that no token has, such as a line end: copy it again.", "bad_token")
        if token:
            headers["authorization"] = f"Bearer {token}"
        return self.client.build_request(
            call.method,
            call.path,
            # with an empty dict, httpx would remove the query that is part of the path
            params=dict(call.params) or None,
            headers=headers,
            json=call.json,
            content=call.content,
            files=call.files,
            timeout=httpx.Timeout(call.seconds, connect=CONNECT_SECONDS),
        )

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        if reason := refused_certificate(error):
            return Unreachable(f"{self.url} cannot be reached: {reason}")
        advice = " Start one with: bunbase dev" if is_loopback(self.url) else ""
        if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
            return Unreachable(f"{self.url} did not answer in time.")
        return Unreachable(f"{self.url} cannot be reached: {_reason(error)}.{advice}")


def user_agent(program: str = "bunbase-cli", client: str = "") -> str:
    """Return the names of the program and the machine.

    These names help people to recognize a session or an entry of the audit log.
    """
    machine = _plain(platform.node())[:MAX_NAME] or "unnamed machine"
    named = f" {_plain(client)[:MAX_CLIENT]}" if client else ""
    return f"{program}/{__version__} ({machine}; {platform.system()}){named}"


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and c.isprintable() and c not in "();" else "?" for c in name)


def at(*segments: str) -> str:
    """Return a path of the API; every segment is percent-encoded."""
    return _below("/api", segments)


def at_v1(*segments: str) -> str:
    """Return a path below /v1; every segment is percent-encoded."""
    return _below("/v1", segments)


def _below(root: str, segments: Sequence[str]) -> str:
    """Return the path. Raises: Usage for a segment that would lead to another path: "", "." and ".."."""
    for segment in segments:
        if segment in NO_SEGMENTS:
            raise Usage(f'"{segment}" is no id or name.')
    return "/".join((root, *(quote(segment, safe="") for segment in segments)))


def decode(reply: httpx.Response, kind: type[T]) -> T:
    """Return the body of a successful answer. Raises: Refused; Failure if the answer does not come from BunBase."""
    refuse(reply)
    if kind is type(None):
        return kind()
    try:
        return msgspec.json.decode(reply.content, type=kind)
    except msgspec.MsgspecError as error:
        raise Failure(
            "unexpected_answer", f"{_where(reply)} sent an answer that this command cannot read: {error}."
        ) from None


def refuse(reply: httpx.Response) -> None:
    """Raise an error if the answer is no success: Failure if it does not come from BunBase, else Refused."""
    if reply.is_success:
        return
    problem = problem_in(reply)
    if problem is None:
        hint = f" to {reply.headers['location']}" if "location" in reply.headers else ""
        raise Failure(
            "unexpected_answer", f"{_where(reply)} answered {reply.status_code}{hint}: is this a BunBase server?"
        )
    raise Refused(problem)


def problem_in(reply: httpx.Response) -> dict[str, Any] | None:
    """Return the answer's problem document with the request id, or None if there is no problem document."""
    if not reply.headers.get("content-type", "").startswith("application/problem+json"):
        return None
    try:
        problem = msgspec.json.decode(reply.read(), type=dict[str, Any])
    except (msgspec.MsgspecError, httpx.TransportError):
        return None
    if request_id := reply.headers.get("x-request-id", ""):
        problem.setdefault("request_id", request_id)
    return problem


def _where(reply: httpx.Response) -> str:
    return str(reply.request.url.copy_with(query=None))


def _reason(error: httpx.TransportError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "its host was not found; check the address and the network"
        cause = cause.__cause__ or cause.__context__
    return str(error).rstrip(".") or type(error).__name__
