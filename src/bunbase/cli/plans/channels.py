"""Plan the changes of channels. The server stores all channels as one document, so one step sets all of them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from bunbase.cli.http import Call
from bunbase.cli.output import Output
from bunbase.cli.plans.changes import Change, ChangeClass
from bunbase.cli.plans.steps import PlannedStep
from bunbase.cli.session import Session
from bunbase.contracts.buncast import Channels, ChannelSpec

PATH = "/v1/channels"


class ChannelsPlan(msgspec.Struct, frozen=True):
    changes: tuple[Change, ...] = ()
    steps: tuple[PlannedStep, ...] = ()


def present_channels(session: Session, project: str) -> dict[str, ChannelSpec]:
    """Return the definitions of the project's channels, by pattern."""
    return session.ask(Channels, Call("GET", PATH, headers={"x-bunbase-project": project})).channels


def plan_channels(session: Session, project: str, wanted: dict[str, ChannelSpec], drops: bool) -> ChannelsPlan:
    """Compare the wanted channels with the channels of the project.

    `drops`: remove all other patterns of the project.
    """
    present = present_channels(session, project)
    changes = tuple(channel_changes(wanted, present, drops))
    if not changes:
        return ChannelsPlan()
    after = wanted if drops else {**present, **wanted}

    def put(_out: Output) -> str:
        headers = {"x-bunbase-project": project, "content-type": "application/json"}
        body = msgspec.json.encode(Channels(after))
        session.ask(Channels, Call("PUT", PATH, headers=headers, content=body))
        return "The channels are as the file describes them."

    return ChannelsPlan(changes, (PlannedStep("channels", put),))


def channel_changes(wanted: dict[str, ChannelSpec], present: dict[str, ChannelSpec], drops: bool) -> Iterator[Change]:
    for pattern, spec in wanted.items():
        if (now := present.get(pattern)) is None:
            yield Change(f"channels.{pattern}", ChangeClass.ADDITIVE, "channels of a new pattern")
        elif now != spec:
            yield Change(f"channels.{pattern}", ChangeClass.REWRITING, f"these channels change: {_what(spec, now)}")
    for pattern in present.keys() - wanted.keys() if drops else ():
        what = "the pattern is removed: its channels are for servers only, and keep no messages"
        yield Change(f"channels.{pattern}", ChangeClass.REWRITING, what)


def _what(spec: ChannelSpec, now: ChannelSpec) -> str:
    names = {"rules": "their rules", "history": "their history", "presence": "their presence"}
    return " and ".join(text for name, text in names.items() if getattr(spec, name) != getattr(now, name))
