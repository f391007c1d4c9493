"""The routes of live connections."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, OpenAPIType, Operation, Schema
from litestar.params import PathParameter, QueryParameter
from litestar.response import Stream

from bunbase.contracts.caller import Caller
from bunbase.gateway.live.door import LiveDoor, accepts_events, need_events
from bunbase.gateway.live.events import MEDIA_TYPE
from bunbase.gateway.live.loose_json import loose_object, loose_texts, loosely_read
from bunbase.gateway.live.tickets import TICKET_SECONDS
from bunbase.pkg.errors import InvalidInput, Malformed
from bunbase.pkg.http import NO_STORE, Injected
from bunbase.pkg.json_bodies import read_input
from bunbase.pkg.openapi import DescribedBody, answers, reads

TAGS: Final = ["Live queries"]
MAX_SENT: Final = 1000
NAMED: Final = "The member `conn` of the message `hello`."

AnyRequest = Request[Any, Any, Any]
Name = Annotated[str, msgspec.Meta(max_length=200, description=NAMED)]
ConnectionName = Annotated[str, PathParameter(pattern="^[A-Za-z0-9_-]{1,200}$", description=NAMED)]
Messages = Annotated[
    tuple[dict[str, Any], ...], msgspec.Meta(max_length=MAX_SENT, description="Messages of the protocol, in order.")
]
Sent = Annotated[tuple[msgspec.Raw, ...], msgspec.Meta(max_length=MAX_SENT)]


Body = TypeVar("Body", "SentOpening", "SentMessages", "SentPoll")


class LiveOpening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first messages of a live connection. `resume`: the `conn` of an earlier connection of this client."""

    send: Messages = ()
    resume: Name = ""


class LiveMessages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """More messages of a live connection."""

    send: Messages


class LivePoll(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A poll. The first poll of a connection has no `conn`."""

    conn: Name = ""
    send: Messages = ()
    resume: Name = ""


class LiveMessagesFound(msgspec.Struct, frozen=True):
    """The messages for a client that polls. `conn`: the name of the connection, for the next poll."""

    conn: str
    messages: tuple[dict[str, Any], ...]


class LiveTicket(msgspec.Struct, frozen=True):
    """A ticket for a live connection. `ticket` works once, as the parameter `ticket` of `GET /v1/live`."""

    ticket: str
    expires_in: int


class SentOpening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    send: Sent = ()
    resume: Name = ""


class SentMessages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    send: Sent


class SentPoll(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    conn: Name = ""
    send: Sent = ()
    resume: Name = ""


@dataclass
class EventsAnswered(Operation):
    """The response is a stream of events."""

    def __post_init__(self) -> None:
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse):
            answer.content = {MEDIA_TYPE: OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))}


@dataclass
class OpeningRead(EventsAnswered, DescribedBody):
    BODY = LiveOpening
    MEDIA = ("application/json",)


EVENTS: Final = ResponseSpec(None, generate_examples=False, description="The messages, as server-sent events.")


@get(
    "/v1/live",
    summary="Open a live connection",
    tags=TAGS,
    cache_control=NO_STORE,
    status_code=200,
    operation_class=EventsAnswered,
    responses={
        101: ResponseSpec(None, generate_examples=False, description="The connection is a WebSocket now."),
        200: EVENTS,
    },
)
async def open_live(
    anyone: Injected[Caller],
    live_door: Injected[LiveDoor],
    request: AnyRequest,
    q: Annotated[
        str, QueryParameter(max_length=32_768, description="The base64url of a JSON array of messages, for events.")
    ] = "",
    ticket: Annotated[str, QueryParameter(max_length=100, description="A ticket, in place of a key.")] = "",
) -> Response[None] | Stream:
    """Opens a WebSocket with the subprotocol `bunbase.live.v1`. The first message of the client must contain the
    project's key.

    With `Accept: text/event-stream`, the response is a stream of events, for example for the browser's EventSource. An
    EventSource sends a publishable key as `?key=`, or a ticket.

    The messages are described in the protocol of live queries and channels.
    """
    if not accepts_events(request):
        return Response(None, status_code=101, headers=dict(live_door.open_socket(request)))
    arrival = live_door.arrival(request, ticket)
    outlet = await live_door.lines.open_events(arrival, _messages_in(q), "")
    return live_door.stream(request, outlet)


@post(
    "/v1/live",
    summary="Open a live connection as a stream of events",
    tags=TAGS,
    cache_control=NO_STORE,
    status_code=200,
    operation_class=OpeningRead,
    responses={200: EVENTS},
)
async def open_live_events(
    listener: Injected[Caller], live_door: Injected[LiveDoor], request: AnyRequest, body: bytes
) -> Stream:
    """Sends the messages of the protocol of live queries and channels as server-sent events.

    The request must have the header `Accept: text/event-stream`.
    """
    sent = _read(request, body, SentOpening)
    need_events(request)
    arrival = live_door.arrival(request)
    outlet = await live_door.lines.open_events(arrival, _bytes(sent.send), sent.resume)
    return live_door.stream(request, outlet)


@post(
    "/v1/live/poll",
    summary="Poll a live connection",
    tags=TAGS,
    cache_control=NO_STORE,
    status_code=200,
    operation_class=reads(LivePoll),
    responses={200: answers(LiveMessagesFound, "The messages that came since the last poll.")},
)
async def poll_live(
    listener: Injected[Caller], live_door: Injected[LiveDoor], request: AnyRequest, body: bytes
) -> Response[bytes]:
    """Opens a connection, or waits up to 25 seconds for the next messages of an open connection.

    The server keeps the connection for 30 seconds between two polls. A second poll ends the first poll.
    """
    sent = _read(request, body, SentPoll)
    arrival, lines = live_door.arrival(request), live_door.lines
    if sent.conn:
        outlet = lines.find_poll(sent.conn, listener)
        await lines.receive(outlet, _bytes(sent.send))
    else:
        outlet = await lines.open_poll(arrival, _bytes(sent.send), sent.resume)
    live_door.end_at_stop(request, outlet)
    found = await outlet.poll()
    name = outlet.session.id.encode()
    return Response(b'{"conn":"%b","messages":[%b]}' % (name, b",".join(found)), media_type="application/json")


@post(
    "/v1/live/ticket",
    summary="Make a ticket for a live connection",
    tags=TAGS,
    cache_control=NO_STORE,
    status_code=201,
)
async def make_live_ticket(
    listener: Injected[Caller], live_door: Injected[LiveDoor], request: AnyRequest
) -> LiveTicket:
    """Returns a ticket that opens one connection for the same key and user: `GET /v1/live?ticket=…`, within 30 seconds.

    Only the server that made the ticket knows it.
    """
    return LiveTicket(live_door.ticket_for(request, listener), TICKET_SECONDS)


@post(
    "/v1/live/{conn:str}",
    summary="Send messages on a live connection",
    tags=TAGS,
    status_code=204,
    operation_class=reads(LiveMessages),
)
async def send_live(
    listener: Injected[Caller], live_door: Injected[LiveDoor], request: AnyRequest, conn: ConnectionName, body: bytes
) -> None:
    """Sends messages for a connection that uses server-sent events or polls. The client gets the answers to these
    messages through the connection.

    The key and the user must be the key and the user that opened the connection.
    """
    sent = _read(request, body, SentMessages)
    outlet = live_door.lines.find(conn, listener)
    await live_door.lines.receive(outlet, _bytes(sent.send))


def _read(request: AnyRequest, body: bytes, kind: type[Body]) -> Body:
    """Return a body. A message with an invalid text does not affect other messages: its client gets an error for this
    message alone.

    Raises: Malformed, InvalidInput, UnsupportedMedia.
    """
    try:
        return read_input(request.headers, body, kind)
    except Malformed:
        found = loose_object(body)
        sent: Any = found.get("send") if found is not None else None
        if found is None or not isinstance(sent, list):
            raise
        try:
            texts = loose_texts([{**found, "send": [0] * len(sent)}, *sent])
        except ValueError:
            raise InvalidInput.at("/send", "A number of a message is out of range.") from None
        read = read_input(request.headers, texts[0], kind)
        return msgspec.structs.replace(read, send=tuple([msgspec.Raw(text) for text in texts[1:]]))


def _messages_in(q: str) -> list[bytes]:
    """Return the messages of the parameter `q`. Raises: InvalidInput."""
    if not q:
        return []
    try:
        text = urlsafe_b64decode(q + "=" * (-len(q) % 4))
        try:
            return _bytes(msgspec.json.decode(text, type=Sent))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return loose_texts(msgspec.convert(loosely_read(text), list[dict[str, Any]]))
    except (binascii.Error, ValueError, RecursionError):  # Errors of msgspec are ValueErrors.
        raise InvalidInput.at("q", "Send the base64url of a JSON array of messages.") from None


def _bytes(sent: tuple[msgspec.Raw, ...]) -> list[bytes]:
    return [bytes(message).strip() for message in sent]


ROUTES = (open_live, open_live_events, poll_live, make_live_ticket, send_live)
