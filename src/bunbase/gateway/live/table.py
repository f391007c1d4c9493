"""The table of all messages: each feature adds the types of its messages, with the functions that handle them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bunbase.gateway.live.joining import on_join, on_leave, on_presence, on_publish
from bunbase.gateway.live.joins import JoinMessage, LeaveMessage, PresenceMessage, PublishMessage
from bunbase.gateway.live.messages import Auth, Message, Pong, Sync, Unwatch, WatchMessage
from bunbase.gateway.live.session import Session
from bunbase.gateway.live.signing import on_auth
from bunbase.gateway.live.watching import on_sync, on_unwatch, on_watch

Handler = Callable[[Session, Any], None]


def on_pong(_session: Session, _message: Pong) -> None:
    """Do nothing: each message shows that the client still responds."""


HANDLERS: Final[Mapping[type[Message], Handler]] = {
    Auth: on_auth,
    Pong: on_pong,
    WatchMessage: on_watch,
    Unwatch: on_unwatch,
    Sync: on_sync,
    JoinMessage: on_join,
    LeaveMessage: on_leave,
    PublishMessage: on_publish,
    PresenceMessage: on_presence,
}
