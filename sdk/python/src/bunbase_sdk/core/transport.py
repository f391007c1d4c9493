"""Send every request of the client, with headers, credentials, time limits, retries and problems.

The life of one call: the body is written (or refused) → the credential adds its headers, and gets a token first if it
needs one → the request is sent → a 401 about the token renews it once and repeats the request once → a failure that may
pass repeats a request that is safe to repeat → the answer is read, within the same time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from bunbase_sdk.core.answers import problem_in, value_of
from bunbase_sdk.core.credentials import Credential
from bunbase_sdk.core.deadline import Deadline
from bunbase_sdk.core.flow import Answer, Broken, Flow, Send, Sleep, Upload, read, send
from bunbase_sdk.core.json_values import moment, written
from bunbase_sdk.core.marks import Marks
from bunbase_sdk.core.retry import pause_before
from bunbase_sdk.core.tokens import Tokens
from bunbase_sdk.problem import Problem, Unreachable, invalid_value

TIMEOUT_SECONDS: Final = 30.0
RETRIES: Final = 2
MAX_PROBLEM_BYTES: Final = 1024 * 1024
AGENT: Final = "bunbase-sdk-python/0.1.0"
HALF: Final = re.compile("[\ud800-\udfff]")  # half of a surrogate pair, which UTF-8 cannot encode
NOTHING: Final = object()
EXPIRED: Final = frozenset({"token_expired", "invalid_token", "unauthenticated"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request. `repeatable`: true if the request may be sent twice.

    `body`: a value to send as JSON. `content`: bytes to send unchanged.

    `administers`: true if the path is below /api, which needs a personal access token.
    """

    method: str
    path: str
    body: object = NOTHING
    content: bytes | Upload | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = False
    administers: bool = False


class Transport:
    """`headers`: the headers of each request. `timeout`: the seconds for a call with its retries."""

    def __init__(
        self,
        url: str,
        credential: Credential,
        *,
        timeout: float = TIMEOUT_SECONDS,
        retries: int = RETRIES,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        try:
            parts = urlsplit(url)
        except ValueError:  # for example for an incomplete IPv6 address
            parts = urlsplit("")
        if (
            parts.scheme not in ("http", "https")
            or not _is_host(parts.hostname or "")
            or not url.isprintable()
            or parts.query
            or parts.fragment
            or "@" in parts.netloc
        ):
            shown = f"…{url[url.rindex('@') :]}" if "@" in url else url  # the user name and the password are left out
            raise invalid_value("url", f"{shown!r} is no address such as https://api.example.com.")
        self.url = url.rstrip("/")
        self.credential = credential
        self.timeout = timeout
        self.retries = retries
        self.headers = dict(headers or {})
        self.marks = Marks()
        self.tokens = Tokens(credential)
        self.joined: set[Any] = set()  # the HeldChannel of each running loop

    def with_options(self, timeout: float | None, retries: int | None, headers: Mapping[str, str]) -> Transport:
        """Return a transport with other options, and with the same token and the same marks."""
        other = Transport(
            self.url,
            self.credential,
            timeout=self.timeout if timeout is None else timeout,
            retries=self.retries if retries is None else retries,
            headers={**self.headers, **headers},
        )
        other.marks, other.tokens, other.joined = self.marks, self.tokens, self.joined
        return other

    def deadline(self, timeout: float | None) -> Deadline:
        return Deadline(self.timeout if timeout is None else timeout)

    def json(self, wanted: Wanted, within: Deadline) -> Flow[Any]:
        """Return the JSON of the answer, or None if it has none. Raises: Problem."""
        return value_of((yield from self.answered(wanted, within)))

    def answered(self, wanted: Wanted, within: Deadline, stream: bool = False) -> Flow[Answer]:
        """Return a successful answer. Raises: Problem."""
        wanted = _encoded(wanted)
        retries = self.retries if wanted.repeatable else 0
        for attempt in range(retries + 1):
            try:
                answer = yield from self.sent(wanted, within, stream)
                if answer.ok:
                    self.marks.note(answer.headers.get("x-bunbase-seq"))
                    return answer
                problem = problem_in(answer)
            except Broken as broken:
                problem = self.unreachable(broken, within)
            pause = pause_before(attempt, problem) if attempt < retries else None
            if pause is None or pause >= within.left():
                raise problem
            yield Sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def sent(self, wanted: Wanted, within: Deadline, stream: bool = False) -> Flow[Answer]:
        """Return the answer, whatever its status. If the server refuses the token, the client renews it once.

        Raises: Problem, Broken.
        """
        self.credential.check(wanted.administers)
        wanted = _encoded(wanted)
        authorization = yield from self.tokens.headers(self.url, within)
        answer = yield from self._once(wanted, authorization, within, stream)
        if answer.status != 401 or isinstance(wanted.content, Upload) or not _about_token(answer):
            return answer
        renewed = yield from self.tokens.renewed(self.url, authorization, within)
        return answer if renewed is None else (yield from self._once(wanted, renewed, within, stream))

    def _once(self, wanted: Wanted, authorization: Mapping[str, str], within: Deadline, stream: bool) -> Flow[Answer]:
        headers = {"User-Agent": AGENT, **self.headers, **wanted.headers, **authorization}
        for name, value in headers.items():
            if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
                raise invalid_value(name, "A header is a text of visible ASCII characters.")
        request = Send(wanted.method, self.url + wanted.path, headers, wanted.content, within.left(), stream)
        answer = yield from send(request)
        if stream and not answer.ok:
            return replace(answer, content=(yield from _all(answer)))
        return answer

    def unreachable(self, broken: Broken, within: Deadline) -> Problem:
        """Return the problem for a request without an answer."""
        if broken.timed_out:
            problem = within.over()
        else:
            detail = f"{self.url} could not be reached ({broken}). Check the address and the connection."
            problem = Unreachable("network", detail)
        problem.__cause__ = broken
        return problem


def _is_host(host: str) -> bool:
    """True for an IP address, and for a name that can be in the DNS: labels of 1 to 63 bytes (RFC 1035 §2.3.4)."""
    try:
        return bool(host if ":" in host else host.encode("idna"))
    except UnicodeError:
        return False


def path(*parts: str) -> str:
    """Return a path with each part escaped. Raises: Problem, if a part is empty or not a text."""
    for part in parts:
        if not isinstance(part, str) or part in ("", ".", "..") or HALF.search(part):
            raise invalid_value("", f"An id or a name is a text that is not empty, and not {part!r}.")
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def search(values: Mapping[str, object]) -> str:
    """Return `?name=value&…` without values that are None, or "". Times become RFC 3339."""
    given = [(name, _parameter(name, value)) for name, value in values.items() if value is not None]
    return f"?{urlencode(given)}" if given else ""


def without_none(**values: object) -> dict[str, object]:
    """Return the members that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _about_token(answer: Answer) -> bool:
    return "x-bunbase-function-version" not in answer.headers and problem_in(answer).code in EXPIRED


def _encoded(wanted: Wanted) -> Wanted:
    if wanted.body is NOTHING:
        return wanted
    headers = {"Content-Type": "application/json", **wanted.headers}
    return replace(wanted, body=NOTHING, content=written(wanted.body), headers=headers)


def _parameter(name: str, value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case datetime():
            return moment(value, name)
        case _:
            raise invalid_value(name, f"A {type(value).__name__} cannot be sent here.")


def _all(answer: Answer) -> Flow[bytes]:
    content = bytearray()
    while (part := (yield from read(answer))) is not None and len(content) < MAX_PROBLEM_BYTES:
        content += part
    return bytes(content)
