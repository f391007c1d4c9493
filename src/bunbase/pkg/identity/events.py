"""Changes of credentials, for the journal of a room. This package names the change, and the room adds who made it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum


class CredentialEvent(StrEnum):
    TOTP_CONFIRMED = "totp_confirmed"
    TOTP_REMOVED = "totp_removed"
    RECOVERY_CODES_REPLACED = "recovery_codes_replaced"
    PASSKEY_ADDED = "passkey_added"  # the target is the name of the passkey
    PASSKEY_REMOVED = "passkey_removed"  # the target is the name of the passkey
    FACTORS_REMOVED = "factors_removed"  # somebody who may do this has removed all factors
    EMAIL_CHANGED = "email_changed"
    EMAIL_CHANGE_AGREED = "email_change_agreed"  # the first of the two addresses has agreed
    IDENTITY_LINKED = "identity_linked"  # the target is the provider
    IDENTITY_REMOVED = "identity_removed"  # the target is the provider
    TAKEN_OVER = "taken_over"  # the target is the provider (see external_people.py)


# note(user, event, target) stores an entry. This function runs in the transaction of the change, so that each stored
# entry belongs to a change, and each change has an entry.
Note = Callable[[str, CredentialEvent, str], Awaitable[None]]

# refused(user) counts a refused sign-in of an account that exists. This function runs after the transaction, and must
# not wait.
Refused = Callable[[str], None]


async def no_note(user: str, event: CredentialEvent, target: str) -> None:
    """Keep no journal."""


def no_refusal(user: str) -> None:
    """Count no refused sign-ins."""
