"""`bunbase channels`: follow the messages of a channel, and publish some."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from cyclopts import App, Parameter

from bunbase.cli.channel_messages import ChannelMessage, FollowedChannel, Heard, matches
from bunbase.cli.chosen import needed_project
from bunbase.cli.errors import Refused, Usage
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call, at_v1
from bunbase.cli.live_stream import LiveStream
from bunbase.cli.output import Output
from bunbase.cli.request_data import read_data
from bunbase.cli.session import Session, open_session

app = App(name="channels", help="Follow a channel, and publish messages.")

SHOWN_PATTERNS: Final = 5

ChannelName = Annotated[str, Parameter(help="The name of the channel, such as rooms/7.")]


class Published(msgspec.Struct, frozen=True):
    """The answer to a publication. `offset`: the number of the message, or 0.

    The number is 0 if nobody listens and the channel keeps no messages.
    """

    channel: str
    offset: int


class Defined(msgspec.Struct, frozen=True):
    """The definitions of all channels, by pattern."""

    channels: dict[str, msgspec.Raw]


class Answer(msgspec.Struct, frozen=True):
    items: tuple[Published, ...]


@app.command
def tail(
    channel: ChannelName,
    /,
    *,
    since: Annotated[
        Literal["now", "start"],
        Parameter(help="start: begin with all messages that the channel keeps."),
    ] = "now",
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Show each message of a channel, until Ctrl-C.

    With --json, each line is one JSON document with offset, sender, at, data and lost. `lost` is true if earlier
    messages were lost, because the channel does not keep messages for long enough.

    Example: bunbase channels tail rooms/7
    """
    out = Output(flags.json)
    followed = FollowedChannel(channel, since == "start")
    with open_session(flags) as session:
        warn_if_undefined(session, flags, channel, out)
        for heard in LiveStream(session, flags, out).followed(ChannelMessage, followed.body, followed.take):
            show(heard, out)


def warn_if_undefined(session: Session, flags: ProjectFlags, channel: str, out: Output) -> None:
    """Warn about a channel that no pattern of the project matches, because its name may be misspelt."""
    headers = {"x-bunbase-project": needed_project(flags.project, session)}
    try:
        patterns = list(session.ask(Defined, Call("GET", at_v1("channels"), headers=headers)).channels)
    except Refused:  # the token may allow listening, but not reading the definitions
        return
    if not any(matches(pattern, channel) for pattern in patterns):
        shown = ", ".join(patterns[:SHOWN_PATTERNS]) + (", …" if len(patterns) > SHOWN_PATTERNS else "")
        known = f"The patterns are {shown}." if patterns else "The project defines no channels."
        out.warn(f"No pattern of a channel matches {channel}: only servers and members can use it. {known}")


@app.command
def publish(
    channel: ChannelName,
    data: Annotated[str, Parameter(help="Any JSON; @FILE reads a file, @- reads stdin.")],
    /,
    *,
    key: Annotated[
        str,
        Parameter(show_default=False, help="A repetition with the same key publishes nothing for 2 minutes."),
    ] = "",
    flags: ProjectFlags = PROJECT_FLAGS,
) -> None:
    """Publish a message to everybody who has joined a channel.

    Example: bunbase channels publish rooms/7 '{"text": "hello"}'
    """
    try:
        value = msgspec.json.decode(read_data(data))
    except msgspec.DecodeError as error:
        raise Usage(f"The message is no JSON: {error}.", "invalid_json") from None
    message = {"channel": channel, "data": value, **({"key": key} if key else {})}
    with open_session(flags) as session:
        headers = {"x-bunbase-project": needed_project(flags.project, session)}
        call = Call("POST", at_v1("channels", "publish"), headers=headers, json={"messages": [message]})
        (published,) = session.ask(Answer, call).items
    out = Output(flags.json)
    if out.json:
        out.encoded(msgspec.json.encode(published))
    elif published.offset:
        out.done(f"The message has the number {published.offset}.")
    else:
        out.done("Nobody listens to this channel, and it keeps no messages.")


def show(heard: Heard, out: Output) -> None:
    if out.json:
        out.encoded(msgspec.json.encode(heard))
        return
    if heard.lost:
        out.warn("Some messages were lost: the channel does not keep them for so long.")
    if heard.at:
        out.line((f"{heard.at} ", "dim"), f"{heard.sender or '-'} ", bytes(heard.data).decode())
