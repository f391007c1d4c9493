"""`bunbase invoke`: call a function and show its answer."""

from __future__ import annotations

import base64
import os
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any, Final
from urllib.parse import quote, unquote

import httpx
import msgspec
from cyclopts import Parameter

from bunbase.cli.chosen import needed_project
from bunbase.cli.end_users import SECRET_KEY, signed_in_as
from bunbase.cli.errors import OK, Failure, Refused, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, refuse
from bunbase.cli.output import Output
from bunbase.cli.request_data import read_data
from bunbase.cli.session import Session, open_session

KEY: Final = "BUNBASE_KEY"
DOTS: Final = frozenset({".", ".."})
# the command waits for the answer for the longest time limit of a function, plus time for the network
ANSWER_SECONDS: Final = 330.0
VERSION_HEADER: Final = "x-bunbase-function-version"  # an answer with this header comes from the function itself
INVOCATION_HEADER: Final = "x-bunbase-invocation"
FUNCTION_FAILED: Final = 1
EXPLAINED_BY_LOG: Final = frozenset({"function_error", "function_crashed", "function_timeout", "function_cpu_exceeded"})


def invoke(
    name: Annotated[str, Parameter(help="The function's name.")],
    /,
    *,
    method: Annotated[
        str, Parameter(show_default=False, help="The HTTP method. Default: GET, or POST with --data.")
    ] = "",
    path: Annotated[
        str, Parameter(show_default=False, help="A path and a query to append to the function's URL.")
    ] = "",
    data: Annotated[str | None, Parameter(help="The request's body; @FILE reads a file, @- reads stdin.")] = None,
    header: Annotated[
        Sequence[str], Parameter(negative="", show_default=False, help="A header, as 'Name: value'. Repeatable.")
    ] = (),
    key: Annotated[
        str,
        Parameter(show_default=False, help=f"A key of the project. Default: {KEY}, else the stored key."),
    ] = "",
    as_user: Annotated[
        str,
        Parameter(
            name="--as", show_default=False, help="Call as this end user of the project: an id or an email address."
        ),
    ] = "",
    flags: ProjectFlags = PROJECT_FLAGS,
) -> int:
    """Call a function; print its answer on stdout and the status on stderr.

    The exit code is 1 if the status is 400 or more. With --as, the command opens a session of the end user for this
    call, and ends it afterwards; this needs the secret key, or a sign-in as a developer of the project.

    Example: bunbase invoke hello --method POST --data '{"name": "Ada"}'
    """
    out = Output(flags.json)
    body = None if data is None else read_data(data)
    headers = _headers(header, body)
    with open_session(flags) as session:
        headers["x-bunbase-key"] = _key(key, flags, session)
        url = f"/v1/functions/{quote(name, safe='')}{_below(path)}"
        call = Call(
            (method or ("GET" if body is None else "POST")).upper(),
            url,
            headers=headers,
            content=body,
            seconds=ANSWER_SECONDS,
        )
        user = _end_user(as_user, headers, flags, session, out)
        with user as token:
            started = time.monotonic()
            reply = session.http.send(call, token, stream=True)
            if VERSION_HEADER not in reply.headers:
                raise _refusal(name, _whole(reply))
            if flags.json:
                _show_document(session, reply, out)
            else:
                _show(session, reply)
            seconds = time.monotonic() - started
    out.hint(_summary(name, reply, seconds))
    return OK if reply.status_code < 400 else FUNCTION_FAILED


def _key(flag: str, flags: ProjectFlags, session: Session) -> str:
    if key := flag or os.environ.get(KEY, ""):
        return key
    project = needed_project(flags.project, session)
    kept = session.known().key_of(project)
    if kept is None:
        raise Usage(
            f"No key of project {project} at {session.url} is stored on this machine. Pass --key, set {KEY}, or make "
            "a key with `bunbase keys create`, which stores it.",
            "no_project_key",
        )
    return kept.key


def _end_user(
    user: str, headers: dict[str, str], flags: ProjectFlags, session: Session, out: Output
) -> AbstractContextManager[str]:
    """Yield the access token of the end user, or "" if the call is not made as an end user."""
    if not user:
        return nullcontext("")
    if "authorization" in headers:
        raise Usage("--as sends its own Authorization header: leave out --header 'Authorization: …'.")
    key = headers["x-bunbase-key"]
    if key.startswith(SECRET_KEY):
        out.hint("The key is the secret key, which may do more than an app. To call as an app does, pass --key pk_…")
    return signed_in_as(user, key, flags.project, session)


def _headers(lines: Sequence[str], body: bytes | None) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip() or not line.isascii() or not line.isprintable():
            raise Usage(f"--header {line!r} is not a header: write --header 'Name: value'.")
        headers[name.strip().lower()] = value.strip()
    if body is not None:
        headers.setdefault("content-type", "application/json" if _is_json(body) else "text/plain; charset=utf-8")
    return headers


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except msgspec.MsgspecError:
        return False
    return True


def _below(path: str) -> str:
    """Return the part of the URL after the function's address. Raises: Usage if the path leads out of the function."""
    if not DOTS.isdisjoint(unquote(path.partition("?")[0]).replace("\\", "/").split("/")):
        raise Usage("--path has a part . or .., which leads elsewhere.")
    return path if not path or path.startswith(("/", "?")) else f"/{path}"


def _refusal(name: str, reply: httpx.Response) -> Failure:
    """Return the failure that an answer reports if the answer does not come from the function itself."""
    try:
        refuse(reply)
    except Refused as refused:
        if refused.code in EXPLAINED_BY_LOG:
            call = refused.problem.get("invocation")  # there is no id if the function could not be loaded
            refused.detail += f" See: bunbase logs {name}" + (f" --invocation {call}" if call else "")
        return refused
    except Failure as failure:
        return failure
    return Failure(
        "unexpected_answer", f"{reply.request.url} sent an answer that is not a function's: is this a BunBase server?"
    )


def _whole(reply: httpx.Response) -> httpx.Response:
    try:
        reply.read()
    finally:
        reply.close()
    return reply


def _show(session: Session, reply: httpx.Response) -> None:
    """Print each part as soon as it arrives, because a function may stream for minutes."""
    last = b""
    with session.http.parts(reply) as parts:
        for last in parts:
            sys.stdout.buffer.write(last)
            sys.stdout.buffer.flush()
    if sys.stdout.isatty() and last and not last.endswith(b"\n"):
        sys.stdout.write("\n")


def _show_document(session: Session, reply: httpx.Response, out: Output) -> None:
    with session.http.parts(reply) as parts:
        body = b"".join(parts)
    out.document(
        {
            "status": reply.status_code,
            "version": int(reply.headers[VERSION_HEADER]),
            "invocation": reply.headers.get(INVOCATION_HEADER),
            "headers": reply.headers.multi_items(),
            **_shown_body(body, reply.headers.get("content-type", "")),
        }
    )


def _shown_body(body: bytes, content_type: str) -> dict[str, Any]:
    """Return the body as JSON if its content type is JSON, else as text, else in Base64."""
    try:
        if content_type.partition(";")[0].strip().endswith("json") and _is_json(body):
            return {"body": msgspec.json.decode(body)}
        return {"body": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


def _summary(name: str, reply: httpx.Response, seconds: float) -> str:
    version, invocation = reply.headers.get(VERSION_HEADER, ""), reply.headers.get(INVOCATION_HEADER, "")
    return f"{reply.status_code} {reply.reason_phrase} · {name} v{version} · {seconds * 1000:.0f} ms · {invocation}"
