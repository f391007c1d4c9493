"""Requests for a mail that anybody may make for any address.

Concern: the answer to such a request must not show whether the address has an account, neither by its text nor by its
duration.
Decision: for every address, the request stores one row and is then answered. Later a job looks the address up. It
deletes the row, makes the link and posts the mail in one transaction. So a kill -9 loses no request, and many requests
for one address cause only one mail.

Codes are sealed by BunKMS, which may be another process. So the job prepares an answer before its transaction begins.
Symptom otherwise: while BunKMS was slow, each request kept a connection to PostgreSQL and the locks of its rows.

The job begins only after the request is answered (`Job.nudge_later`), because it takes longer for an address with an
account.

Projects take turns. Without turns, a project whose server asked for a code for each of its users delayed the mails of
all other projects by minutes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Final

from bunbase.pkg.addresses import email_or_none
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import Problem
from bunbase.pkg.identity.store import IdentityStores
from bunbase.pkg.identity.store.mail_tokens import (
    MailRequest,
    drop_request,
    next_request,
    postpone_request,
    take_request,
)
from bunbase.pkg.logger import logger
from bunbase.pkg.mail.sending import fault
from bunbase.pkg.project_turns import Turn

LIMIT: Final = 1000  # One run of the job answers at most this many requests.
POSTPONED: Final = timedelta(seconds=60)

Answer = Callable[[], Awaitable[object]]
Prepare = Callable[[MailRequest], Awaitable[Answer]]

log = logger("identity")


async def request_mail(
    stores: IdentityStores, kind: str, email: str, clock: Clock, name: str = "", language: str = ""
) -> bool:
    """Store a request. Return False for a text that is not an address, and if too many requests of the pool wait; the
    caller gets the same answer.

    `language`: the language of the person who asks, or empty if the language is not known.
    """
    normal = email_or_none(email)
    if normal is None:
        return False
    stored = await stores.mail_tokens.request(kind, normal, clock.now(), name, language)
    if not stored:
        log.warning("a request for a mail was dropped: too many wait", kind=kind, project=stores.mail_tokens.project)
    return stored


def unprepared(answer: Callable[[MailRequest], Awaitable[None]]) -> Prepare:
    """Return the parameter of `answer_requests` for answers that call no other room."""

    async def prepare(asked: MailRequest) -> Answer:
        return partial(answer, asked)

    return prepare


async def answer_requests(stores: IdentityStores, prepare: Prepare, clock: Clock, turn: Turn) -> None:
    """Answer the stored requests of all pools, but at most LIMIT. A job calls this.

    `stores`: the stores of any pool of the room. `prepare`: runs outside of a transaction, and may call other rooms. It
    returns the function that runs in the transaction that deletes the request. `turn`: the turns of the pools, which
    the room keeps.

    A request that cannot be answered delays no other request. After a Problem, for example if the keys of its project
    are missing, the request waits for POSTPONED. After any other failure it is dropped, because it would fail again.
    """
    for _ in range(LIMIT):
        asked = await next_request(stores.db, clock.now(), turn)
        if asked is None:
            return
        try:
            answer = await prepare(asked)
            async with stores.db.transaction():
                if await take_request(stores.db, asked):
                    await answer()
        except Exception as failure:
            await _set_aside(stores, asked, failure, clock)


async def _set_aside(stores: IdentityStores, asked: MailRequest, failure: Exception, clock: Clock) -> None:
    described = {"kind": asked.kind, "project": asked.project, "failure": fault(failure)}
    if isinstance(failure, Problem):
        await postpone_request(stores.db, asked, clock.now() + POSTPONED)
        log.warning("a request for a mail waits, because it cannot be answered now", **described)
    else:
        await drop_request(stores.db, asked)
        log.error("a request for a mail was dropped, because it cannot be answered", **described)
