"""Read the value or the problem from an answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bunbase_sdk.core.flow import Answer
from bunbase_sdk.core.json_values import parsed
from bunbase_sdk.problem import Problem, problem_of

# only answers of functions have this header, and not BunBase's own refusals
FUNCTION_VERSION: Final = "x-bunbase-function-version"


def value_of(answer: Answer) -> Any:
    """Return the JSON of an answer, or None if it is empty. Raises: Problem `unexpected_answer`."""
    if not answer.content:
        return None
    try:
        if answer.is_json:
            return parsed(answer.content)
    except ValueError as error:
        raise _unexpected(answer) from error
    raise _unexpected(answer)


def problem_in(answer: Answer) -> Problem:
    """Return the problem of an answer that is not successful.

    For an answer of a function, the code is always `function_answer`, so a function cannot imitate a code of BunBase.
    """
    try:
        body = parsed(answer.content) if answer.is_json else None
    except ValueError:
        body = None
    if FUNCTION_VERSION in answer.headers:
        return _of_function(answer, body)
    if not isinstance(body, dict) or not isinstance(body.get("code"), str):
        return _unexpected(answer, body)
    detail = body.get("detail") or body.get("title")
    detail = detail if isinstance(detail, str) else ""
    return problem_of(body["code"], detail, status=answer.status, body=body, retry_after=_retry_after(answer))


def _of_function(answer: Answer, body: object) -> Problem:
    """Return the problem for an answer of a function.

    The body of the problem is the answer, or contains the answer as `answer`.
    """
    shown = answer.content.decode("utf-8", "replace") if body is None else body
    members = shown if isinstance(shown, dict) else {"answer": shown}
    texts = (members.get(name) for name in ("detail", "message", "error"))
    detail = next((text for text in texts if isinstance(text, str) and text), "")
    detail = detail or f"The function answered with status {answer.status}."
    return problem_of("function_answer", detail, status=answer.status, body=members, retry_after=_retry_after(answer))


def _unexpected(answer: Answer, body: object = None) -> Problem:
    shown = answer.content.decode("utf-8", "replace") if body is None else body
    members: dict[str, Any] = {"answer": shown, "request_id": answer.headers.get("x-request-id")}
    media = answer.headers.get("content-type", "no type")
    detail = f"The answer is not from BunBase: status {answer.status}, {media}. Is a proxy in between?"
    return problem_of("unexpected_answer", detail, status=answer.status, body=members, retry_after=_retry_after(answer))


def _retry_after(answer: Answer) -> float | None:
    try:
        seconds = float(answer.headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < 1e9 else None


def line_value(line: str | bytes) -> Any:
    """Return the value of one line of an answer. Raises: Problem `unexpected_answer`."""
    try:
        return parsed(line)
    except ValueError as error:
        raise Problem("unexpected_answer", "The server sent a line that is no JSON. Is this BunBase?") from error


def lines_of(buffer: bytearray) -> Iterator[bytes]:
    """Yield the whole lines of a buffer, and remove them from it."""
    while (end := buffer.find(b"\n")) >= 0:
        line = bytes(buffer[:end])
        del buffer[: end + 1]
        yield line
