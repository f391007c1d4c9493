"""The activity of an account, as its owner sees it: sign-ins, and changes of the ways to sign in."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from bunbase.contracts.acts import Act
from bunbase.contracts.caller import Caller


class Activity(StrEnum):
    """The name of an action, as in the audit log."""

    OPEN = "account.open"  # a link in a mail or an invitation opened the account; `target`: the account that invited
    SIGN_IN = "account.sign_in"
    SIGN_OUT = "account.sign_out"
    CHANGE_PASSWORD = Act.ACCOUNT_CHANGE_PASSWORD.value
    RESET_PASSWORD = "account.reset_password"
    VERIFY_EMAIL = "account.verify_email"
    AGREE_EMAIL = "account.agree_email"  # the first of the two addresses agreed to a change of the address
    CONFIRM_EMAIL = "account.confirm_email"  # the second address agreed, so the change of the address took effect
    TAKE_OVER = "account.take_over"  # the owner of an address took over an account that had never verified the address
    REAUTHENTICATE = Act.ACCOUNT_REAUTHENTICATE.value
    RESET_FACTORS = Act.ACCOUNT_RESET_FACTORS.value
    SESSION_END = Act.SESSION_END.value
    TOTP_CONFIRM = Act.TOTP_CONFIRM.value
    TOTP_DELETE = Act.TOTP_DELETE.value
    RECOVERY_CODE_CREATE = Act.RECOVERY_CODE_CREATE.value
    PASSKEY_CREATE = Act.PASSKEY_CREATE.value
    PASSKEY_DELETE = Act.PASSKEY_DELETE.value
    IDENTITY_LINK = Act.IDENTITY_LINK.value
    IDENTITY_DELETE = Act.IDENTITY_DELETE.value
    DEVICE_APPROVE = Act.DEVICE_APPROVE.value
    DEVICE_DENY = Act.DEVICE_DENY.value
    AUTHORIZATION_CREATE = Act.AUTHORIZATION_CREATE.value
    AUTHORIZATION_DELETE = Act.AUTHORIZATION_DELETE.value
    TOKEN_CREATE = Act.TOKEN_CREATE.value
    TOKEN_DELETE = Act.TOKEN_DELETE.value


class ActivityMethod(StrEnum):
    """The way in which somebody signed in, or the reason for the end of a session."""

    PASSWORD = "password"
    JSON_RPC = "json_rpc"  # the client sent a password or signed out by JSON-RPC
    TOTP = "totp"  # a code of an authenticator app, as the second factor
    RECOVERY_CODE = "recovery_code"
    PASSKEY = "passkey"  # a passkey, as the second factor or as the only proof
    DEVICE = "device"  # the sign-in was approved on another device
    EXTERNAL = "external"  # a sign-in at another service, which `target` names
    REGISTRATION = "registration"
    OPENID = "openid"  # an application, which `target` names, signed in or ended its session
    TOKEN_REUSED = "token_reused"  # a refresh token, or the code of an application, was used twice
    WRONG_PROOFS = "wrong_proofs"


class ActivityOutcome(StrEnum):
    DONE = "done"
    CHALLENGED = "challenged"  # the password was right, and the second factor was required
    REFUSED = "refused"


class ActivityEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One action. `target`: the id or name of the changed thing, or of the service that signed in.

    `count`: the number of refused attempts that this entry represents. `last_at`: the time of the last attempt, if
    there are several.
    """

    id: str
    at: datetime
    action: str
    ip: str
    agent: str
    outcome: ActivityOutcome
    method: ActivityMethod | None = None
    target: str = ""
    count: int = 1
    last_at: datetime | None = None


class AccountActivity(msgspec.Struct, frozen=True):
    """Entries, newest first."""

    items: tuple[ActivityEntry, ...]
    next: str | None = None


class UnauditedActivity(msgspec.Struct, frozen=True):
    """An entry that the audit log of the installation needs, with the account at that time."""

    entry: ActivityEntry
    user: str
    email: str


class ActivityLog(Protocol):
    async def activity(self, caller: Caller, limit: int, cursor: str | None) -> AccountActivity:
        """Return the activity of the caller's account, newest first. Raises: InvalidCursor, Forbidden."""
        ...

    async def unaudited_activity(self) -> tuple[UnauditedActivity, ...]:
        """Return the oldest entries for which `activity_audited` was not called."""
        ...

    async def activity_audited(self, ids: tuple[str, ...]) -> None:
        """Store that the audit log has these entries. Idempotent."""
        ...
