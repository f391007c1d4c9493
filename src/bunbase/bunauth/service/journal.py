"""Write the changes of credentials that `pkg/identity` reports into the activity of accounts."""

from __future__ import annotations

from typing import Final

from bunbase.bunauth.service.activity import ActivityService, Happened
from bunbase.contracts.bunauth.activity import Activity, ActivityMethod
from bunbase.contracts.caller import Caller
from bunbase.pkg.identity.events import CredentialEvent, Note, Refused

ACTIVITIES: Final = {
    CredentialEvent.TOTP_CONFIRMED: Activity.TOTP_CONFIRM,
    CredentialEvent.TOTP_REMOVED: Activity.TOTP_DELETE,
    CredentialEvent.RECOVERY_CODES_REPLACED: Activity.RECOVERY_CODE_CREATE,
    CredentialEvent.PASSKEY_ADDED: Activity.PASSKEY_CREATE,
    CredentialEvent.PASSKEY_REMOVED: Activity.PASSKEY_DELETE,
    CredentialEvent.FACTORS_REMOVED: Activity.RESET_FACTORS,
    CredentialEvent.EMAIL_CHANGED: Activity.CONFIRM_EMAIL,
    CredentialEvent.EMAIL_CHANGE_AGREED: Activity.AGREE_EMAIL,
    CredentialEvent.IDENTITY_LINKED: Activity.IDENTITY_LINK,
    CredentialEvent.IDENTITY_REMOVED: Activity.IDENTITY_DELETE,
    CredentialEvent.TAKEN_OVER: Activity.TAKE_OVER,
}


def noted(activity: ActivityService, caller: Caller) -> Note:
    """Return the function that stores the changes that a caller makes."""

    async def note(user: str, event: CredentialEvent, target: str) -> None:
        await activity.add(caller, user, Happened(ACTIVITIES[event], target=target))

    return note


def counted(activity: ActivityService, caller: Caller, action: Activity, method: ActivityMethod) -> Refused:
    """Return the function that counts the refused attempts of a caller."""

    def refused(user: str) -> None:
        activity.note_refused(caller, user, action, method)

    return refused
