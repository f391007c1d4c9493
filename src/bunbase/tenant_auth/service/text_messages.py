"""Send the codes of text messages with the hook of the project.

The life of one message:

    1. `post` stores the message in the transaction that makes its code. The code is sealed. If the number or the
       project has received too many messages within the hour, nothing is stored; the caller of the API cannot see this.
    2. A job claims the message, and calls the hook outside of every transaction.
    3. After a failure, the message waits for the next attempt while its code is valid. The hook is called at most three
       times. If the process dies after the call and before step 4, the user gets the message twice, with the same code.
    4. The code is deleted from the row.

A hook may be slow, so projects take turns (`pkg/sending_turns.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from bunbase.contracts.tenant_auth.problems import HookFailed
from bunbase.pkg import metrics
from bunbase.pkg.errors import Problem
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger
from bunbase.pkg.mail.sending import fault
from bunbase.pkg.phones import masked_phone
from bunbase.pkg.sending_turns import SendingTurns
from bunbase.tenant_auth.pool import Pool, Pools
from bunbase.tenant_auth.sign_in_codes import CODE_SECONDS, HOUR
from bunbase.tenant_auth.store.text_messages import ClaimedMessage, Most, NewTextMessage
from bunbase.tenant_auth.text_messages import SmsSender, TextMessage

log = logger("text_messages")

PLACES: Final = 16  # One process sends this many messages at once.
TOGETHER: Final = 2  # At most this many messages of one project are sent at once.
MAX_PER_PHONE: Final = 10  # One project sends at most this many messages of all kinds to one number in an hour.
KEPT_PART: Final = 5  # One of five messages is reserved for numbers that belong to users.
SEND_SECONDS: Final = 20.0  # The time limit of one attempt. A hook has at most ten seconds.
CLAIM_SECONDS: Final = 50
RETRY_SECONDS: Final = (5, 20, 60, 120)  # Further attempts come after these waits. The last wait is repeated.
# A hook that fails may have sent the message, and messages cost money, so it is called at most this often.
MAX_CALLS: Final = 3
MAX_REASON: Final = 300


class TextMessages:
    """The outbox of text messages. `sender` calls the hook of a project. `nudge` wakes the job that sends."""

    def __init__(self, pools: Pools, sender: SmsSender) -> None:
        self.pools = pools
        self.store = pools.stores.text_messages
        self.clock = pools.site.clock
        self.sender = sender
        self.nudge: Callable[[], None] = lambda: None
        self.sending: dict[asyncio.Task[None], str] = {}  # The project of each message that is being sent.
        self.turns = SendingTurns(PLACES, TOGETHER)

    async def prepared(self, pool: Pool, kind: str, phone: str, code: str, language: str) -> NewTextMessage:
        """Return a message with a code, which `post` stores. BunKMS seals it, so call this outside of a transaction."""
        id, now = new_id("msg"), self.clock.now()
        sealed, until = await pool.vault.sealed(_purpose(id), code), now + timedelta(seconds=CODE_SECONDS)
        return NewTextMessage(id, kind, phone, language, sealed, now, until)

    async def post(self, pool: Pool, new: NewTextMessage, code: str, known: bool = False) -> bool:
        """Store a message with a code. Call this in the transaction that stores the code.

        `known`: the number belongs to a user. A part of the messages is reserved for such numbers, so that strangers
        who request codes for other numbers cannot use up all messages. If too many messages were sent within the hour,
        drop the message and return False.
        """
        if not pool.auth.hooks.send_sms:  # This is dev mode without a hook (see `phone.ready`).
            await pool.stores.mails.keep_text(pool.project, new.phone, f"The code for {pool.app_name}", f"{code}\n")
            return True
        of_project = pool.auth.phone.max_per_hour
        kept = 0 if known else of_project // KEPT_PART
        most = Most(self.clock.now() - HOUR, MAX_PER_PHONE, of_project - kept)
        if await self.store.post(pool.project, new, most):
            self.nudge()
            return True
        metrics.text_messages.labels("dropped").inc()
        log.warning(
            "a text message was dropped: too many within the hour (phone.max_per_hour)",
            project=pool.project,
            phone=masked_phone(new.phone),
        )
        return False

    async def send_due(self) -> None:
        """Start to send the messages that are due. Mark messages as dead if their codes have expired."""
        if dead := await self.store.bury_outdated(self.clock.now()):
            metrics.text_messages.labels("dead").inc(dead)
        while len(self.sending) < PLACES:
            now = self.clock.now()
            waiting = self.turns.waiting(self.sending.values(), now)
            message = await self.store.claim(now, now + timedelta(seconds=CLAIM_SECONDS), waiting)
            if message is None:
                return
            task = asyncio.create_task(self._send(message))
            self.sending[task] = message.project
            task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Stop sending. The claims of unsent messages expire after some time."""
        tasks = list(self.sending)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def forget(self) -> None:
        """Delete the messages that ended more than a day ago."""
        await self.store.forget(self.clock.now() - timedelta(days=1))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.sending.pop(task, None)
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("a text message was not sent", error=fault(failure))
        self.nudge()  # There is a place for the next message now.

    async def _send(self, message: ClaimedMessage) -> None:
        began = self.clock.now()
        try:
            await self._call(message)
        except Exception as failure:  # The error affects only this message.
            await self._failed(message, failure)
        else:
            metrics.text_messages.labels("sent").inc()
            await self.store.end(message, "sent", self.clock.now())
        finally:
            self.turns.note(message.project, began, self.clock.now())

    async def _call(self, message: ClaimedMessage) -> None:
        """Call the hook of the project. Raises: HookFailed, TimeoutError, and the problems of BunKMS."""
        pool = await self.pools.of(message.project)
        code = await pool.vault.unsealed(_purpose(message.id), message.sealed)
        text = TextMessage(message.phone, code, message.kind, message.language, pool.app_name)
        async with asyncio.timeout(SEND_SECONDS):
            await self.sender.send_sms(message.project, text)

    async def _failed(self, message: ClaimedMessage, failure: Exception) -> None:
        late = isinstance(failure, TimeoutError)
        other = "the hook did not answer in time" if late else fault(failure)
        reason = failure.code if isinstance(failure, Problem) else other
        called = isinstance(failure, HookFailed) or not isinstance(failure, Problem)
        over = called and message.attempts >= MAX_CALLS
        wait, now = RETRY_SECONDS[min(message.attempts, len(RETRY_SECONDS)) - 1], self.clock.now()
        due_at, known = now + timedelta(seconds=wait), {"project": message.project, "attempts": message.attempts}
        metrics.text_messages.labels("failed").inc()
        if not over and due_at < message.useful_until:
            log.warning("a text message waits for another attempt", **known, wait_seconds=wait, reason=reason)
            await self.store.later(message, due_at, reason[:MAX_REASON])
            return
        metrics.text_messages.labels("dead").inc()
        log.error("a text message was given up", **known, reason=reason)
        await self.store.end(message, "dead", now, reason[:MAX_REASON])


def _purpose(id: str) -> str:
    return f"text_message:{id}"
