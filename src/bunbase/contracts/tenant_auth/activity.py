"""The activity of end users: what happened with the credentials of a user, and who did it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from bunbase.contracts.caller import Caller


class UserAct(StrEnum):
    """An event of the credentials of a user."""

    SIGN_UP = "user.sign_up"  # a sign-up may open a session; `target`: "invitation" if the user was invited
    SIGN_IN = "user.sign_in"
    SIGN_OUT = "user.sign_out"
    UPGRADE = "user.upgrade"  # an anonymous user became an ordinary user
    CREATE = "user.create"  # an administrator created the user
    IMPORT = "user.import"
    BAN = "user.ban"
    UNBAN = "user.unban"
    DELETE = "user.delete"
    DELETE_DOCUMENTS = "user.delete_documents"  # documents are deleted after their user; `target`: the collection
    IMPERSONATE = "user.impersonate"  # an administrator uses the app as the user
    REAUTHENTICATE = "user.reauthenticate"
    TAKE_OVER = "user.take_over"  # the owner of the address ended everything that somebody else may have set up
    RESET_FACTORS = "user.reset_factors"
    SESSION_END = "session.end"  # `target`: the session, or empty for all sessions
    PASSWORD_CHANGE = "password.change"
    PASSWORD_RESET = "password.reset"  # the user set a new password with a link
    EMAIL_CHANGE = "email.change"
    EMAIL_CHANGE_AGREE = "email.change_agree"  # the first of two addresses agrees to a change
    EMAIL_VERIFY = "email.verify"
    PHONE_CHANGE = "phone.change"
    PHONE_DELETE = "phone.delete"
    TOTP_CONFIRM = "totp.confirm"
    TOTP_DELETE = "totp.delete"
    RECOVERY_CODE_CREATE = "recovery_code.create"
    RECOVERY_CODE_USE = "recovery_code.use"
    PASSKEY_CREATE = "passkey.create"  # `target`: the name of the passkey
    PASSKEY_DELETE = "passkey.delete"
    IDENTITY_LINK = "identity.link"  # `target`: the service
    IDENTITY_DELETE = "identity.delete"
    LINK_CREATE = "link.create"  # an administrator made a link for the user; `target`: the kind of the link


class UserActOutcome(StrEnum):
    DONE = "done"
    CHALLENGED = "challenged"  # the first step of a sign-in was right, and a second factor was required
    REFUSED = "refused"


class ActedBy(StrEnum):
    """The kind of the actor. `member`, `key`: a member of the project, or a server with its secret key."""

    USER = "user"
    MEMBER = "member"
    KEY = "key"
    SYSTEM = "system"  # BunBase itself, because of the settings or of a stolen token
    UNKNOWN = "unknown"  # an unknown person, whose attempt was refused


class UserActivityEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event. `method`: the way to sign in (`password`, `email_code`, the name of a service), or a reason.

    `target`: the name of what was changed. `amr`: the checks, by their names in RFC 8176. `session`: the session that
    the event
    opened, or in which it happened. `new_device`: true if no earlier sign-in in the activity came from this program and
    network.
    `count`: the number of attempts that this entry represents. `last_at`: the time of the last attempt, if there are
    several. In entries of acts of administrators, the user does not see `ip` and `agent`.
    """

    id: str
    at: datetime
    action: str
    outcome: UserActOutcome
    by: ActedBy
    ip: str
    agent: str
    method: str = ""
    target: str = ""
    amr: tuple[str, ...] = ()
    session: str = ""
    new_device: bool = False
    count: int = 1
    last_at: datetime | None = None


class ManagedActivityEntry(UserActivityEntry, frozen=True, kw_only=True, omit_defaults=True):
    """An event as administrators see it. `user`: the id of the user. `actor`: the id of the member or key."""

    user: str
    actor: str = ""


class OwnActivity(msgspec.Struct, frozen=True):
    """Entries, newest first."""

    items: tuple[UserActivityEntry, ...]
    next: str | None = None


class ManagedActivity(msgspec.Struct, frozen=True):
    """Entries, newest first."""

    items: tuple[ManagedActivityEntry, ...]
    next: str | None = None


class ActivityFilter(msgspec.Struct, frozen=True):
    """A filter of events; all conditions must hold. A condition that is None accepts every event."""

    user: str | None = None
    action: UserAct | None = None
    outcome: UserActOutcome | None = None
    since: datetime | None = None
    until: datetime | None = None


class UserActivityLog(Protocol):
    async def own_user_activity(self, caller: Caller, limit: int, cursor: str | None) -> OwnActivity:
        """Return the events of the signed-in user, newest first. Raises: InvalidCursor, Unauthenticated."""
        ...

    async def user_activity(self, caller: Caller, id: str, limit: int, cursor: str | None) -> ManagedActivity:
        """Return the events of a user, also after the deletion of the user. Raises: UserNotFound, InvalidCursor,
        Forbidden.
        """
        ...

    async def project_user_activity(
        self, caller: Caller, only: ActivityFilter, limit: int, cursor: str | None
    ) -> ManagedActivity:
        """Return the events of all users of a project, newest first. Raises: InvalidCursor, Forbidden."""
        ...
