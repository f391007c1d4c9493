"""`ctx.channels`: publishes messages, through the same contract as the routes of channels."""

from __future__ import annotations

from typing import Final

import msgspec

from bunbase.contracts.buncast import MAX_DATA_BYTES, MAX_MESSAGES, Buncast, NewMessage
from bunbase.functions.host_calls.arguments import read
from bunbase.functions.host_calls.power import Power, caller_of
from bunbase.functions.workers.asks import Ask
from bunbase.pkg.api_json import api_json

# One call has at most this size. Buncast also limits each message.
MAX_BODY_BYTES: Final = MAX_MESSAGES * (MAX_DATA_BYTES + 1024)


class PublishOptions(msgspec.Struct, frozen=True):
    power: Power = msgspec.field(default="project", name="as")


class SentMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    channel: str
    data: msgspec.Raw
    key: str = ""


async def publish(buncast: Buncast, ask: Ask) -> bytes:
    options = read(ask.args, PublishOptions)
    sent = read(await ask.body(MAX_BODY_BYTES), tuple[SentMessage, ...])
    messages = tuple([NewMessage(one.channel, bytes(one.data), one.key) for one in sent])
    return api_json((await buncast.publish(caller_of(ask, options.power), messages)).items)
