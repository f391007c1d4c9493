"""Public HTTP of Buncast: `/v1/channels`."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post, put
from litestar.params import HeaderParameter

from bunbase.contracts.buncast import (
    MAX_KEY,
    MAX_MESSAGES,
    MAX_NAME_BYTES,
    Buncast,
    Channels,
    NewMessage,
    Published,
)
from bunbase.contracts.caller import Caller
from bunbase.pkg.http import Injected
from bunbase.pkg.idempotency import KEY, REPLAYED, sent_key
from bunbase.pkg.json_bodies import read_input
from bunbase.pkg.openapi import reads

TAGS: Final = ["Channels"]

AnyRequest = Request[Any, Any, Any]
CallKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="A random key for this call. If you send the request again with the same key within two minutes, "
        "nothing is published, and you get the first answer.",
        schema_extra={"pattern": f"^{KEY.pattern}$"},
    ),
]


class SentMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    channel: str
    data: msgspec.Raw
    key: str = ""


class SentMessages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    messages: tuple[SentMessage, ...]


class ChannelMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message for a channel. `data`: any JSON of at most 32 KiB. `key`: within two minutes, a message with the same
    key is not published a second time.
    """

    channel: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_BYTES)]
    data: Any
    key: Annotated[str, msgspec.Meta(max_length=MAX_KEY)] = ""


class ChannelMessages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    messages: Annotated[tuple[ChannelMessage, ...], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)]


class PublishedMessages(msgspec.Struct, frozen=True):
    """`items`: the place of each message, in the order of the request. If nobody listens to a channel and it stores no
    messages, the `offset` is 0.
    """

    items: tuple[Published, ...]


@get("/v1/channels", summary="Get the definitions of channels", tags=TAGS)
async def get_channels(operator: Injected[Caller], buncast: Injected[Buncast]) -> Channels:
    """Returns the rules, the history and the presence of the project's channels, by pattern."""
    return await buncast.channels(operator)


@put(
    "/v1/channels",
    summary="Replace the definitions of channels",
    tags=TAGS,
    operation_class=reads(Channels),
)
async def put_channels(
    operator: Injected[Caller], buncast: Injected[Buncast], request: AnyRequest, body: bytes
) -> Channels:
    """Takes `{channels:{"rooms/{room}":{rules:{subscribe,publish,presence},history:{messages,seconds},presence}}}`.

    The most literal pattern that matches a name decides about this channel. Only the secret key and members of the
    project may use a channel without a pattern, or do an act without a rule. Connections that the new rules deny leave
    their channels at once.
    """
    channels = read_input(request.headers, body, Channels)
    return await buncast.put_channels(operator, channels)


@post(
    "/v1/channels/publish",
    status_code=200,
    summary="Publish messages",
    tags=TAGS,
    operation_class=reads(ChannelMessages),
)
async def publish_messages(
    accessor: Injected[Caller],
    buncast: Injected[Buncast],
    request: AnyRequest,
    body: bytes,
    idempotency_key: CallKey = None,
) -> Response[PublishedMessages]:
    """Publishes 1 to 100 messages. If the rule `publish` denies one of them, no message is published.

    All subscribers of a channel get its messages in the same order.
    """
    sent = read_input(request.headers, body, SentMessages)
    messages = tuple([NewMessage(one.channel, bytes(one.data), one.key) for one in sent.messages])
    done = await buncast.publish(accessor, messages, sent_key(request.headers))
    headers = {REPLAYED: "true"} if done.replayed else {}
    return Response(PublishedMessages(done.items), headers=headers)


ROUTES = (get_channels, put_channels, publish_messages)
