"""Publish messages: check them, ask the rules, and then number all of them at once, without waiting in between."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from bunbase.buncast.buckets import Bucket
from bunbase.buncast.channel import ReadyMessage
from bunbase.buncast.deciding import Deciding
from bunbase.buncast.patterns import BadName, check_name
from bunbase.buncast.permissions import check_access, denied, limited_name
from bunbase.buncast.project import Project
from bunbase.buncast.rules import Budget
from bunbase.buncast.turns import Turns
from bunbase.contracts.buncast import (
    MAX_DATA_BYTES,
    MAX_KEY,
    MAX_MESSAGES,
    MessageTooLarge,
    NewMessage,
    Published,
    PublishLimited,
)
from bunbase.contracts.caller import Act, Caller
from bunbase.contracts.idempotency import check_visitor_key, scope_of
from bunbase.pkg import effort, metrics
from bunbase.pkg.clock import Clock, rfc3339
from bunbase.pkg.control_characters import holds_control
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.idempotency import Attempt, hash_of

WHOLE, ONE = "publish", "message"  # These words keep the keys of calls and the keys of messages apart.
NOT_JSON: Final = "The data of a message must be JSON."
TWICE: Final = "An object in this JSON has the same member twice. Send each member once."


def checked_json(data: bytes, most: int, path: str) -> bytes:
    """Return JSON text in one line. Raises: MessageTooLarge, InvalidInput.

    An object that has a member twice is refused. A rule would read the last value, but some listeners would read the
    first value (RFC 7493 §2.3).
    """
    if len(data) > most:
        raise MessageTooLarge(f"This has {len(data)} bytes of JSON; at most {most} are allowed.", limit=most, path=path)
    effort.note(2 * len(data))
    try:
        value = msgspec.json.decode(data)
        line = msgspec.json.format(data, indent=-1)  # A stream of events needs the text in one line.
        # The texts differ if a member occurs twice, or if a number or string is written in an unusual form.
        if line != msgspec.json.encode(value):
            json.loads(data, object_pairs_hook=_once)
        return line
    except _MemberTwice:
        raise InvalidInput.at(path, TWICE) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInput.at(path, NOT_JSON) from None


class _MemberTwice(Exception):
    pass


def _once(members: list[tuple[str, Any]]) -> None:
    """Return the object. Raises: _MemberTwice."""
    if len(dict(members)) < len(members):
        raise _MemberTwice


async def checked_messages(messages: tuple[NewMessage, ...], turns: Turns) -> tuple[NewMessage, ...]:
    """Return the messages with their data in one line. Raises: InvalidInput, MessageTooLarge."""
    if not 1 <= len(messages) <= MAX_MESSAGES:
        raise InvalidInput.at("/messages", f"Send 1 to {MAX_MESSAGES} messages; this call has {len(messages)}.")
    checked = []
    for number, message in enumerate(messages):
        await turns.free()
        with turns:
            checked.append(_checked(message, number))
    return tuple(checked)


class Publishing:
    """The checked messages of one call. `attempts`: one attempt for each message with a key. `whole`: the attempt for
    the key of the call. `new`: the number of messages that this call has published; repeated messages do not count.
    """

    def __init__(self, caller: Caller, messages: tuple[NewMessage, ...], idempotency_key: str) -> None:
        self.caller = caller
        self.limited = limited_name(caller)
        self.messages = messages
        scope = scope_of(caller)
        self.attempts = [_attempt(scope, message) for message in self.messages]
        self.whole: Attempt | None = None
        self.new = 0
        for number, message in enumerate(messages):
            check_visitor_key(caller, message.key, f"/messages/{number}/key")
        check_visitor_key(caller, idempotency_key)
        if idempotency_key:
            request = [part for message in self.messages for part in (message.channel, message.key, message.data)]
            self.whole = Attempt(hash_of((*scope, WHOLE, idempotency_key)), hash_of(request))

    async def check_rules(self, deciding: Deciding) -> None:
        """Ask the rules about each message. Raises: RuleDenied with the position of the message, and other Problems."""
        if not check_access(self.caller, Act.CHANNEL_PUBLISH):
            return
        while True:
            definitions, budget = deciding.project.definitions, Budget()
            for number, message in enumerate(self.messages):
                if not await deciding.may_publish(self.caller, message.channel, message.data, budget):
                    problem = denied("publish", message.channel)
                    problem.extra["message"] = number
                    raise await deciding.explained(self.caller, problem, message.data)
            if definitions is deciding.project.definitions:
                return

    def earlier(self, project: Project, now: float) -> tuple[Published, ...] | None:
        """Return the result of an earlier identical call, or None. Raises: IdempotencyMismatch."""
        return project.keys.find(self.whole, now) if self.whole is not None else None

    def done(self, project: Project, clock: Clock, now: float) -> tuple[Published, ...]:
        """Publish all messages that were not published before. Return the place of each message.

        Raises: PublishLimited, IdempotencyMismatch.
        """
        project.used_at = now
        before = [project.keys.find(attempt, now) if attempt else None for attempt in self.attempts]
        new = [message for message, found in zip(self.messages, before, strict=True) if found is None]
        # These are repeated messages, whose keys are already stored.
        kept = sum([found is not None for found in before])
        keyed = sum([attempt is not None for attempt in self.attempts]) - kept + (self.whole is not None)
        project.keys.check_room(self.limited, keyed, now)
        _take(project, new, self.limited, now)
        at = rfc3339(clock.now())
        result = tuple([self._published(project, number, at, now) for number in range(len(self.messages))])
        if self.whole is not None:
            project.keys.keep(self.whole, result, self.limited, now)
        return result

    def _published(self, project: Project, number: int, at: str, now: float) -> Published:
        message, attempt = self.messages[number], self.attempts[number]
        if attempt is not None and (found := project.keys.find(attempt, now)) is not None:
            return found[0]
        result = _publish(project, self.caller, message, at, now)
        self.new += 1
        if attempt is not None:
            project.keys.keep(attempt, (result,), self.limited, now)
        return result


def _publish(project: Project, caller: Caller, message: NewMessage, at: str, now: float) -> Published:
    metrics.buncast_published.inc()
    channel = project.channels.get(message.channel)
    if channel is None:
        if project.definitions.of(message.channel)[0].history is None:
            return Published(message.channel, "", 0)  # Nobody listens, and nothing is stored.
        channel = project.opened(message.channel)
    uid = msgspec.json.encode(caller.user.uid if caller.user is not None else None)
    rest = b'"from":%b,"at":"%b","data":%b' % (uid, at.encode(), message.data)
    offset = channel.publish(ReadyMessage(rest, message.edge, message.number), now)
    return Published(message.channel, channel.ring.epoch, offset)


def _take(project: Project, messages: list[NewMessage], caller: str, now: float) -> None:
    """Count the messages against the limits. `caller`: the name under which limits count the caller.

    Raises: PublishLimited.
    """
    own = project.bucket_of(caller, now) if caller else None
    if own is not None and not own.has(len(messages), now):
        raise _limited("One user or address", own.per_second)
    if not project.bucket.has(len(messages), now):
        raise _limited("All channels of a project together", project.bucket.per_second)
    counts: dict[str, int] = {}
    for message in messages:
        counts[message.channel] = counts.get(message.channel, 0) + 1
    per_second = project.settings.channel_messages_per_second
    buckets = []
    for name, count in counts.items():
        if (channel := project.channels.get(name)) is None:
            continue
        if channel.bucket is None:
            channel.bucket = Bucket(per_second, now)
        if not channel.bucket.has(count, now):
            raise _limited(f"The channel {name}", per_second)
        buckets.append((channel.bucket, count))
    if own is not None:
        own.take(len(messages))
    project.bucket.take(len(messages))
    for bucket, count in buckets:
        bucket.take(count)


def _limited(what: str, limit: int) -> PublishLimited:
    message = f"{what} can have {limit} messages a second. Send fewer, or collect several values in one message."
    return PublishLimited(message, limit=limit, retry_after_seconds=1)


def _checked(message: NewMessage, number: int) -> NewMessage:
    try:
        check_name(message.channel)
    except BadName as trouble:
        raise InvalidInput.at(f"/messages/{number}/channel", str(trouble)) from None
    if len(message.key) > MAX_KEY or holds_control(message.key):
        text = f"A key has at most {MAX_KEY} characters, and no control characters."
        raise InvalidInput.at(f"/messages/{number}/key", text)
    data = checked_json(message.data, MAX_DATA_BYTES, f"/messages/{number}/data")
    return msgspec.structs.replace(message, data=data)


def _attempt(scope: tuple[str, ...], message: NewMessage) -> Attempt | None:
    if not message.key:
        return None
    return Attempt(hash_of((*scope, ONE, message.channel, message.key)), hash_of((message.data,)))
