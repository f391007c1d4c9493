"""`bunbase data watch`: show the documents of a query, and each change of them as it happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from bunbase.cli.chosen import needed_project
from bunbase.cli.data_reading import CollectionName, wanted
from bunbase.cli.errors import Failure, Refused, Unreachable
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at_v1, refuse
from bunbase.cli.live_results import Changed, LiveDocuments, Message
from bunbase.cli.outage import Outage
from bunbase.cli.output import Output
from bunbase.cli.session import Session, open_session
from bunbase.cli.sse import events

MOST: Final = 500
SILENCE_SECONDS: Final = 45.0  # the server sends a sign of life every 15 s
PASSING: Final = frozenset({429, 500, 502, 503, 504})  # statuses of a server that is busy or restarting
SIGNS: Final = (("+", "green", "added"), ("~", "yellow", "changed"), ("-", "red", "removed"))


def watch(
    collection: CollectionName,
    where: Annotated[
        str, Parameter(show_default=False, help="A filter as JSON; @FILE reads a file, @- reads stdin. Default: none.")
    ] = "",
    /,
    *,
    sort: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            show_default=False,
            help="Fields to sort by, separated by commas; - before a field: descending. For --limit.",
        ),
    ] = "",
    select: Annotated[str, Parameter(show_default=False, help="Show only these fields, separated by commas.")] = "",
    limit: Annotated[
        int, Parameter(validator=Number(gte=1, lte=MOST), help="Watch the first documents of the order.")
    ] = 100,
    count: Annotated[
        bool, Parameter(negative="", show_default=False, help="Also count all documents that match.")
    ] = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show the documents that match a filter, and each change, until Ctrl-C.

    A line begins with + for a document that is new in the result, ~ for a changed one, and - for one that has left it.
    With --json, each line is one JSON document with all that changed at the same time.

    Example: bunbase data watch posts '{"draft": false}' --sort -_created
    """
    out = Output(flags.json)
    asked = {"collection": collection, **wanted(where, sort, select, limit), **({"count": True} if count else {})}
    with open_session(flags) as session:
        headers = {"x-bunbase-project": needed_project(flags.project, session), "accept": "text/event-stream"}
        for changed in followed(session, headers, asked, Outage(session.url, out.warn)):
            show(changed, out)


def followed(
    session: Session, headers: Mapping[str, str], query: Mapping[str, Any], outage: Outage
) -> Iterator[Changed]:
    """Yield the result of a query, and then each change of it. Raises: Refused, Unreachable."""
    held = LiveDocuments()
    body = {"send": [{"t": "watch", "id": 1, "query": query}]}
    while True:
        reason = "The server ended the answer."
        try:
            for message in _stream(session, headers, body, outage.end):
                if (changed := held.take(message)) is not None:
                    outage.note_progress()
                    yield changed
        except Unreachable as error:
            reason = error.detail
        except Refused as refused:
            if refused.problem.get("status") not in PASSING:
                raise
            reason = refused.detail
        outage.wait(reason)


def show(changed: Changed, out: Output) -> None:
    if out.json:
        out.encoded(msgspec.json.encode(changed))
        return
    for sign, style, name in SIGNS:
        for document in getattr(changed, name):
            out.line((f"{sign} ", style), bytes(document).decode())
    if changed.count is not None:
        out.hint(f"Documents that match: {changed.count}.")


def _stream(
    session: Session, headers: Mapping[str, str], body: Mapping[str, Any], on_connected: Callable[[], None]
) -> Iterator[Message]:
    call = Call("POST", at_v1("live"), headers=headers, json=body, seconds=SILENCE_SECONDS)
    reply = session.send(call, stream=True)
    with session.http.parts(reply) as parts:
        if not reply.is_success:
            reply.read()
            refuse(reply)
        on_connected()
        for event in events(parts):
            yield from _messages(event.data)


def _messages(data: str) -> tuple[Message, ...]:
    try:
        found = msgspec.json.decode(data, type=tuple[Message, ...] | Message)
    except msgspec.MsgspecError as error:
        raise Failure("unexpected_answer", f"The server sent a message that cannot be read: {error}.") from None
    return found if isinstance(found, tuple) else (found,)
