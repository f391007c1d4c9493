"""The outbox of mails in PostgreSQL: it limits, stores, claims and forgets them. See `pkg/mail/__init__.py`.

A room that sends mail has this table:

    CREATE TABLE mails (
        id text PRIMARY KEY,
        project text NOT NULL,  -- empty if the installation sends the mail
        kind text NOT NULL,
        notice boolean NOT NULL,
        recipient text NOT NULL,
        mailbox text NOT NULL,  -- the recipient without a +tag: the limits count by it
        subject text NOT NULL,  -- empty, as plain and html, once the mail is sent or dead
        plain text NOT NULL,
        html text NOT NULL,
        state text NOT NULL CHECK (state IN ('waiting', 'sent', 'kept', 'dead')),
        attempts int NOT NULL DEFAULT 0,
        reason text NOT NULL DEFAULT '',  -- of the last failure
        created_at timestamptz NOT NULL,
        due_at timestamptz NOT NULL,
        useful_until timestamptz NOT NULL,
        ended_at timestamptz
    );
    CREATE INDEX mails_waiting ON mails (due_at) WHERE state = 'waiting';
    CREATE INDEX mails_ended ON mails (state, ended_at) WHERE ended_at IS NOT NULL;
    CREATE INDEX mails_mailbox ON mails (mailbox, created_at);

A later migration adds the index `mails_turns` of (project COLLATE "C", due_at) for waiting mails.

Projects take turns: each project with a mail that is due gets one claim before any project gets a second one. Without
turns, a project that gave a notice to each of its users delayed the sign-in codes of all other projects, until these
codes were no longer valid. Notices have no limit for a project, because they must not be suppressed.

In the state `kept`, a mail is not sent: dev mode without an SMTP server keeps it for the mailbox of dev mode.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from bunbase.pkg import metrics
from bunbase.pkg.addresses import deliverable, known_email
from bunbase.pkg.clock import Clock
from bunbase.pkg.db.database import Database
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger
from bunbase.pkg.mail.headers import one_line
from bunbase.pkg.mail.letters import ClaimedMail, DevMail, Letter, masked
from bunbase.pkg.mail.senders import OF_INSTALLATION, OwnSender
from bunbase.pkg.mail.settings import MailSettings
from bunbase.pkg.project_turns import Turn

log = logger("mail")

HOUR: Final = timedelta(hours=1)
KEEP: Final = timedelta(days=1)  # Sent mails, and mails for the mailbox of dev mode, are kept for this time.
KEEP_DEAD: Final = timedelta(days=30)
# The result of an attempt may be stored this long after the attempt's deadline.
CLAIM_MARGIN: Final = timedelta(seconds=30)
RETRY_SECONDS: Final = (10, 60, 300, 1800, 3600)  # A failed mail waits for these times. The last wait is repeated.
MAX_REASON: Final = 300
KEPT_PART: Final = 5  # One of five mails of a project is reserved for known addresses.
KEPT_OF_ADDRESS: Final = 3  # One of three mails to an address is reserved for projects that know the address.
SHARES: Final = 3  # Each such project may use one of this many shares of the reserved mails.

LOCK_MAILBOX = "SELECT pg_advisory_xact_lock(hashtextextended('mails ' || current_schema() || ' ' || $1, 0))"
COUNT = """
SELECT count(*) FILTER (WHERE notice = $3) AS of_all, count(*) FILTER (WHERE kind = $4 AND project = $5) AS of_kind,
    count(*) FILTER (WHERE notice = $3 AND project = $5) AS of_project
FROM mails WHERE mailbox = $1 AND created_at > $2"""
POST = """
INSERT INTO mails (id, project, kind, notice, recipient, mailbox, subject, plain, html, state,
    created_at, due_at, useful_until, ended_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13)"""
COUNT_OF_PROJECT = """
SELECT count(*) FROM (
    SELECT FROM mails WHERE project = $1 AND created_at > $2 AND NOT notice LIMIT $3) AS recent"""
HAS_DUE = "SELECT EXISTS (SELECT FROM mails WHERE state = 'waiting' AND due_at <= $1)"
CLAIM = """
UPDATE mails SET attempts = attempts + 1, due_at = $2 WHERE id = (
    SELECT id FROM mails
    WHERE state = 'waiting' AND due_at <= $1 AND project COLLATE "C" >= $3 AND project <> ALL ($4::text[])
    ORDER BY project COLLATE "C", due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, kind, recipient, subject, plain, html, attempts, created_at, useful_until, project"""
CLAIM_OF = """
UPDATE mails SET attempts = attempts + 1, due_at = $2 WHERE id = (
    SELECT id FROM mails WHERE state = 'waiting' AND due_at <= $1 AND project COLLATE "C" = $3
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, kind, recipient, subject, plain, html, attempts, created_at, useful_until, project"""
DUE_PROJECT = """
SELECT project FROM unnest($2::text[]) AS among (project)
WHERE project COLLATE "C" >= $3 AND project <> ALL ($4::text[]) AND EXISTS (
    SELECT FROM mails
    WHERE mails.project COLLATE "C" = among.project COLLATE "C" AND state = 'waiting' AND due_at <= $1)
ORDER BY project COLLATE "C" LIMIT 1"""
SENT = """
UPDATE mails SET state = 'sent', ended_at = $2, reason = '',
    subject = CASE WHEN $3 THEN subject ELSE '' END, plain = CASE WHEN $3 THEN plain ELSE '' END,
    html = CASE WHEN $3 THEN html ELSE '' END
WHERE id = $1 AND state <> 'sent'"""
LATER = "UPDATE mails SET due_at = $3, reason = $4 WHERE id = $1 AND state = 'waiting' AND attempts = $2"
DEAD = """
UPDATE mails SET state = 'dead', ended_at = $3, reason = $4,
    subject = CASE WHEN $5 THEN subject ELSE '' END, plain = CASE WHEN $5 THEN plain ELSE '' END,
    html = CASE WHEN $5 THEN html ELSE '' END
WHERE id = $1 AND state = 'waiting' AND attempts = $2"""
OUTDATED = """
UPDATE mails SET state = 'dead', ended_at = $1, reason = $2,
    subject = CASE WHEN $4 THEN subject ELSE '' END, plain = CASE WHEN $4 THEN plain ELSE '' END,
    html = CASE WHEN $4 THEN html ELSE '' END
WHERE state = 'waiting' AND (useful_until <= $1 OR created_at <= $3)"""
COUNT_WAITING = "SELECT count(*) AS count, min(created_at) AS oldest FROM mails WHERE state = 'waiting'"
COUNT_DEAD = "SELECT count(*) FROM mails WHERE state = 'dead' AND ended_at IS NOT NULL"
DEV_MAILS = """
SELECT id, recipient AS to, project, subject, plain AS text, html, created_at AS at FROM mails
WHERE subject <> '' AND created_at > $5 AND ($1 = '' OR recipient = $1) AND ($2 = '' OR project = $2)
    AND ($3 = '' OR id < $3)
ORDER BY id DESC LIMIT $4"""
FORGET = """
DELETE FROM mails WHERE id IN (
    SELECT id FROM mails WHERE state = ANY ($1) AND ended_at IS NOT NULL AND ended_at < $2 LIMIT $3)"""


SenderOf = Callable[[str], Awaitable[OwnSender]]


async def installation_sends(_project: str) -> OwnSender:
    """Let all projects have the sender of the installation. This is the default."""
    return OF_INSTALLATION


ForReader = Callable[[Letter], Awaitable[Letter]]


async def in_any_language(letter: Letter) -> Letter:
    """Return the letter unchanged for all readers. This is the default."""
    return letter


IsKnown = Callable[[Letter], Awaitable[bool]]


async def nobody_known(_letter: Letter) -> bool:
    """Count no address as known, so that no mails of a project are reserved. This is the default."""
    return False


HasOwnWay = Callable[[str], Awaitable[bool]]


async def no_own_way(_project: str) -> bool:
    """Let all mails leave through the mail server. This is the default."""
    return False


class RecentMails(msgspec.Struct, frozen=True):
    """The numbers of mails to one address within the hour. `of_kind` and `of_project` count only mails of the project
    that sends the next mail.
    """

    of_all: int
    of_kind: int
    of_project: int


class Backlog(msgspec.Struct, frozen=True):
    count: int
    oldest: datetime | None


class MailOutbox:
    """The mails of one room. `dev`: true in dev mode, which keeps the bodies of all mails for its mailbox, even those
    of dead letters.

    `max_per_project`: the number of mails that a project may send in an hour, not counting notices; None for no limit.
    If there is a limit, the table needs an index of (project, created_at). Mails that are posted at the same moment may
    exceed the limit by a few. `connect` tells the outbox what projects have chosen. Without it, all projects are the
    same.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settings: MailSettings | None = None,
        dev: bool = False,
        max_per_project: int | None = None,
    ) -> None:
        self.max_per_project = max_per_project
        self.db = db
        self.clock = clock
        self.settings = settings or MailSettings()
        self.dev = dev
        self.turn = Turn()
        self.sender_of: SenderOf = installation_sends
        self.for_reader: ForReader = in_any_language
        self.is_known: IsKnown = nobody_known
        self.has_own_way: HasOwnWay = no_own_way

    def connect(self, sender_of: SenderOf, for_reader: ForReader, is_known: IsKnown, has_own_way: HasOwnWay) -> None:
        """Connect the outbox to the projects of a room. This is a separate step, because their stores need the outbox.

        `sender_of(project)`: the sender that a project has chosen for its mails.
        `for_reader(letter)`: the letter in the language of its reader.
        `is_known(letter)`: true if a user of the project has confirmed the address. A part of `max_per_project` is
        reserved for such letters, so that requests for mails to other addresses cannot use all mails of the project. A
        part of `mail.max_per_address` is reserved too, so that another project cannot use all mails to the address.
        `has_own_way(project)`: true if the mails of a project do not leave through the mail server (`own_ways.py`).
        Call this before the first mail is posted.
        """
        self.sender_of = sender_of
        self.for_reader = for_reader
        self.is_known = is_known
        self.has_own_way = has_own_way

    async def post(self, *letters: Letter) -> bool:
        """Store mails that a job then sends. Call this inside the transaction of the act that the mails are about.

        If an address has had too many mails within the hour, drop its mail and return False.
        Post all mails of a transaction with one call, after its other statements. The call locks the addresses in a
        fixed order, so that two transactions cannot deadlock. An address that only older versions accepted is stored
        too; its mail fails later, when it is sent, because the act itself must not fail.
        Raises: ValueError if `to` of a letter is not an address.
        """
        addressed = [(_recipient(letter), letter) for letter in letters]
        async with self.db.transaction():
            addressed = [(recipient, await self.for_reader(letter)) for recipient, letter in addressed]
            for mailbox in sorted({without_tag(recipient) for recipient, _ in addressed}):
                await self.db.execute(LOCK_MAILBOX, mailbox)
            return all([await self._post(letter, recipient) for recipient, letter in addressed])

    async def has_due(self) -> bool:
        return bool(await self.db.value(HAS_DUE, self.clock.now()))

    async def due_project(self, among: Sequence[str], besides: Sequence[str], after: Turn) -> str | None:
        """Return the next project that has a mail that is due, or None. `after`: the turns of these projects."""

        async def find(smallest: str) -> str | None:
            found: str | None = await self.db.value(DUE_PROJECT, self.clock.now(), list(among), smallest, list(besides))
            return found

        return await after.next(find, str)

    async def claim(self, besides: Sequence[str] = ()) -> ClaimedMail | None:
        """Claim the mail of the next project that is due first, or return None. The claim ends after the deadline of
        one attempt.

        `besides`: claim no mails of these projects.
        """
        now = self.clock.now()

        async def find(smallest: str) -> ClaimedMail | None:
            return await self.db.one(ClaimedMail, CLAIM, now, self._until(now), smallest, list(besides))

        return await self.turn.next(find, lambda mail: mail.project)

    async def claim_of(self, project: str) -> ClaimedMail | None:
        """Claim the mail of a project that is due first, in the same way as `claim`."""
        now = self.clock.now()
        return await self.db.one(ClaimedMail, CLAIM_OF, now, self._until(now), project)

    def _until(self, now: datetime) -> datetime:
        return now + timedelta(seconds=self.settings.timeout_seconds) + CLAIM_MARGIN

    async def with_sender(self, mail: ClaimedMail) -> ClaimedMail:
        """Return a mail with the sender that its project has chosen."""
        return msgspec.structs.replace(mail, sender=await self.sender_of(mail.project)) if mail.project else mail

    async def sent(self, mail: ClaimedMail) -> None:
        """Store that a server has accepted the mail, and wipe its bodies unless dev mode shows them."""
        await self.db.execute(SENT, mail.id, self.clock.now(), self.dev)
        self._count("sent")

    async def failed(self, mail: ClaimedMail, reason: str, permanent: bool) -> None:
        """Store a failed attempt. Let the mail wait for the next attempt, or make it a dead letter."""
        self._count("failed")
        for spelling in (mail.recipient, deliverable(mail.recipient)):
            reason = reason.replace(spelling, masked(mail.recipient))
        reason = one_line(reason)[:MAX_REASON]
        now = self.clock.now()
        due_at = now + timedelta(seconds=retry_seconds(mail.attempts))
        if permanent or due_at >= mail.useful_until:
            await self._bury(mail, reason)
            return
        await self.db.execute(LATER, mail.id, mail.attempts, due_at, reason)
        log.warning(
            "a mail waits for another attempt",
            **self._described(mail),
            attempts=mail.attempts,
            wait_seconds=retry_seconds(mail.attempts),
            reason=reason,
        )

    async def bury_outdated(self, reason: str, max_age: timedelta = KEEP_DEAD) -> int:
        """Make dead letters of the mails that waited for `max_age`, or until they were no longer useful.

        Return the number of these mails.
        """
        now = self.clock.now()
        dead = await self.db.execute(OUTDATED, now, reason, now - max_age, self.dev)
        if dead:
            self._count("dead", dead)
            log.error("mails are dead letters", sender_room=self.db.schema, count=dead, reason=reason)
        return dead

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> list[DevMail]:
        """Return the mails of the last day, newest first. Production has none.

        `to`, `project`, `before`: "" for all mails.

        `before`: return only mails with a smaller id, which are older.
        """
        if not self.dev:
            return []
        recipient = (known_email(to) or to) if to else ""  # A text message has a phone number instead.
        if "\0" in recipient + project + before:
            return []
        return await self.db.all(DevMail, DEV_MAILS, recipient, project, before, limit, self.clock.now() - KEEP)

    async def keep_text(self, project: str, phone: str, subject: str, text: str) -> None:
        """Keep a text message in the mailbox of dev mode, because the project has no hook that sends it."""
        now = self.clock.now()
        values = (phone, phone, subject, text, "", "kept", now, now, now)
        await self.db.execute(POST, new_id("mail"), project, "text_message", False, *values)

    async def forget(self) -> None:
        """Delete the mails that ended more than a day ago, and dead letters after 30 days."""
        now = self.clock.now()
        await self.db.delete_in_batches(FORGET, ["sent", "kept"], now - KEEP)
        await self.db.delete_in_batches(FORGET, ["dead"], now - (KEEP if self.dev else KEEP_DEAD))

    async def measure(self) -> None:
        """Update the gauges of waiting and dead mails."""
        room = self.db.schema
        waiting = await self.db.one(Backlog, COUNT_WAITING)
        dead = await self.db.value(COUNT_DEAD)
        oldest = waiting.oldest if waiting else None
        seconds = (self.clock.now() - oldest).total_seconds() if oldest else 0.0
        metrics.mails_waiting.labels(room).set(waiting.count if waiting else 0)
        metrics.mails_oldest_seconds.labels(room).set(max(seconds, 0.0))
        metrics.mails_dead.labels(room).set(dead)

    async def _post(self, letter: Letter, recipient: str) -> bool:
        if await self._too_many(letter, recipient):
            self._count("dropped")
            log.warning(
                "a mail was dropped: too many for one address (mail.max_of_a_kind, mail.max_per_address)",
                kind=letter.kind,
                to=masked(recipient),
                sender_room=self.db.schema,
            )
            return False
        if await self._project_has_sent_too_many(letter):
            self._count("dropped")
            log.warning(
                "a mail was dropped: the project has sent too many within the hour",
                kind=letter.kind,
                project=letter.project,
                sender_room=self.db.schema,
            )
            return False
        await self._insert(letter, recipient)
        self._count("posted")
        return True

    async def _too_many(self, letter: Letter, recipient: str) -> bool:
        """True if the limits allow no further mail. The caller has locked the mailbox, so the numbers cannot change."""
        since = self.clock.now() - HOUR
        args = (without_tag(recipient), since, letter.notice, letter.kind, letter.project)
        had = await self.db.one(RecentMails, COUNT, *args)
        if had is None:
            return False
        most = self.settings.max_per_address
        if had.of_all >= most or had.of_kind >= self.settings.max_of_a_kind:
            return True
        return bool(letter.project) and await self._project_has_used_its_share(letter, had, most)

    async def _project_has_used_its_share(self, letter: Letter, had: RecentMails, most: int) -> bool:
        """True if the project may not use the remaining mails to an address, because they are reserved (decision 0070).

        A notice goes only to users, so its project knows the address.
        """
        kept = most // KEPT_OF_ADDRESS
        if had.of_all < most - kept:
            return had.of_project >= most - most // 2
        return had.of_project >= max(kept // SHARES, 1) or not (letter.notice or await self.is_known(letter))

    async def _project_has_sent_too_many(self, letter: Letter) -> bool:
        """True if the project may send no further mail now. Notices are always sent."""
        if self.max_per_project is None or not letter.project or letter.notice:
            return False
        since = self.clock.now() - HOUR
        sent: int = await self.db.value(COUNT_OF_PROJECT, letter.project, since, self.max_per_project)
        if sent < self.max_per_project - self.max_per_project // KEPT_PART:
            return False
        return sent >= self.max_per_project or not await self.is_known(letter)

    async def _insert(self, letter: Letter, recipient: str) -> None:
        now = self.clock.now()
        kept = self.dev and not self.settings.configured and not await self.has_own_way(letter.project)
        await self.db.execute(
            POST,
            new_id("mail"),
            letter.project,
            letter.kind,
            letter.notice,
            recipient,
            without_tag(recipient),
            letter.subject,
            letter.text,
            letter.html,
            "kept" if kept else "waiting",
            now,
            now + timedelta(seconds=letter.useful_seconds),
            now if kept else None,
        )

    async def _bury(self, mail: ClaimedMail, reason: str) -> None:
        if await self.db.execute(DEAD, mail.id, mail.attempts, self.clock.now(), reason, self.dev):
            self._count("dead")
            log.error("a mail is a dead letter", **self._described(mail), attempts=mail.attempts, reason=reason)

    def _described(self, mail: ClaimedMail) -> dict[str, str]:
        return {"mail_id": mail.id, "kind": mail.kind, "to": masked(mail.recipient), "sender_room": self.db.schema}

    def _count(self, outcome: str, number: int = 1) -> None:
        metrics.mails.labels(self.db.schema, outcome).inc(number)


def _recipient(letter: Letter) -> str:
    found = known_email(letter.to)
    if found is None:
        raise ValueError("the recipient of a mail is not an address")
    return found


def retry_seconds(attempts: int) -> int:
    """Return the time to wait after a number of failed attempts."""
    return RETRY_SECONDS[min(attempts, len(RETRY_SECONDS)) - 1]


def without_tag(address: str) -> str:
    """Return an address without the part after a plus sign, because all these addresses usually reach one person."""
    mailbox, _, domain = address.rpartition("@")
    return f"{mailbox.partition('+')[0] or mailbox}@{domain}"
