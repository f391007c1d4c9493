"""The SQL of the credentials of accounts. A store is made for one pool (see `pkg/identity`)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bunbase.pkg.db.database import Database
from bunbase.pkg.identity.store import (
    email_changes,
    external_logins,
    factors,
    identities,
    mail_tokens,
    passkeys,
    sign_in_challenges,
)
from bunbase.pkg.mail.outbox import MailOutbox

# One account has at most this many open challenges, tickets and links of a kind. If there are more, the oldest are
# deleted. Anybody who is signed in, has the password or knows the address can request new ones. If the limit were
# lower, such a person could easily delete the challenges and links of the owner in this way.
MAX_OPEN: Final = 100
INSTALLATION: Final = ""  # The accounts of the installation have this project.


class IdentityStores:
    """The stores of one pool. `project`: INSTALLATION, or the id of the project that has the users.

    `mails`: the outbox of the room. The outbox is not bound to the pool, because each letter names its project.
    """

    def __init__(self, db: Database, mails: MailOutbox, project: str) -> None:
        self.db = db
        self.mails = mails
        self.email_changes = email_changes.EmailChangeStore(db, project)
        self.external_logins = external_logins.ExternalLoginStore(db, project)
        self.factors = factors.FactorStore(db, project)
        self.identities = identities.IdentityStore(db, project)
        self.mail_tokens = mail_tokens.MailTokenStore(db, project)
        self.passkeys = passkeys.PasskeyStore(db, project)
        self.sign_in_challenges = sign_in_challenges.SignInChallengeStore(db, project)


async def delete_expired(db: Database, before: datetime, now: datetime) -> None:
    """Delete the rows of all pools that expired before a time.

    Challenges that have expired at `now` are deleted at once, because anybody can make them.
    """
    links = (mail_tokens.DELETE_EXPIRED, email_changes.DELETE_EXPIRED, *external_logins.ALL_EXPIRED)
    for statement in (factors.DELETE_PENDING, *links):
        await db.delete_in_batches(statement, before)
    await db.delete_in_batches(passkeys.DELETE_CHALLENGES, now)
    await db.delete_in_batches(sign_in_challenges.DELETE_EXPIRED, now)
