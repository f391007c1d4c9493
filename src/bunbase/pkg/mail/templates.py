"""The templates of mails about accounts, memberships and sign-in. The templates do not name a product: `$app` is the
name of the app.

A template has a few texts, from which `composing.py` makes the plain text and the HTML of a mail. The texts contain
placeholders such as `$app` (`string.Template`), which every template documents in its `fields`. A project may later
replace the texts of a template. A project cannot add markup, because all texts are escaped.
"""

from __future__ import annotations

from typing import Final

import msgspec

MINUTE, HOUR, DAY = 60, 3600, 86_400


class Template(msgspec.Struct, frozen=True):
    """The texts of one kind of mail.

    `body`: paragraphs, separated by blank lines. `button`: the label of the link, if the mail has one.
    `footer`: the advice to a reader who does not expect the mail.
    `fields`: the placeholders that these texts need, in addition to `app`.
    `notice` has the same meaning as in `letters.Letter`. `useful_seconds`: the time after which the mail is not sent
    any more.
    """

    kind: str
    subject: str
    heading: str
    body: str
    button: str = ""
    footer: str = ""
    fields: frozenset[str] = frozenset()
    notice: bool = False
    useful_seconds: int = 8 * HOUR

    def needs(self) -> frozenset[str]:
        """Return the names of all fields that a letter needs."""
        return self.fields | {"app"} | ({"url"} if self.button else set())


NOT_YOU: Final = "If you did not ask for this, you can ignore this mail. Nothing changes until the link is used."
CHECK_ACCOUNT: Final = "If this was not you, reset your password at once and check who is signed in to your account."
CHECK_FACTOR: Final = (
    f"{CHECK_ACCOUNT} A new password does not remove this factor: remove it yourself, or ask the people who run $app "
    "to remove it."
)

VERIFY_EMAIL: Final = Template(
    "verify_email",
    subject="Confirm your email address for $app",
    heading="Confirm your email address",
    body="Please confirm that $email is your address. The link works for $valid_for.",
    button="Confirm this address",
    footer="If you have no account at $app, you can ignore this mail.",
    fields=frozenset({"email", "valid_for"}),
)
OPEN_ACCOUNT: Final = Template(
    "open_account",
    subject="Open your account at $app",
    heading="Open your account",
    body="Someone asked to open an account at $app with the address $email. Was it you? Then choose a password: this "
    "opens your account. The link works for $valid_for.",
    button="Choose a password",
    footer="If you did not ask for this, you can ignore this mail. No account is opened until the link is used.",
    fields=frozenset({"email", "valid_for"}),
)
CONFIRM_NEW_EMAIL: Final = Template(
    "confirm_new_email",
    subject="Confirm your new email address for $app",
    heading="Confirm your new email address",
    body="Someone asked to use $email for their account at $app. Was it you? Then confirm the address: "
    "from then on, you sign in with it. The link works for $valid_for.",
    button="Use this address",
    footer=NOT_YOU,
    fields=frozenset({"email", "valid_for"}),
)
EMAIL_CHANGE_REQUESTED: Final = Template(
    "email_change_requested",
    subject="Confirm the change of your email address at $app",
    heading="Your email address will change",
    body="Someone who is signed in to your account asked to change its address from $email to $new_email. "
    "If it was you, confirm the change. The link works for $valid_for.",
    button="Confirm the change",
    footer=CHECK_ACCOUNT,
    fields=frozenset({"email", "new_email", "valid_for"}),
    notice=True,
)
EMAIL_CHANGED: Final = Template(
    "email_changed",
    subject="Your email address at $app has changed",
    heading="Your email address has changed",
    body="The address of your account at $app is no longer $email. You now sign in with $new_email.",
    footer="If this was not you, tell the people who run $app at once.",
    fields=frozenset({"email", "new_email"}),
    notice=True,
    useful_seconds=DAY,
)
ALREADY_REGISTERED: Final = Template(
    "already_registered",
    subject="You already have an account at $app",
    heading="You already have an account",
    body="Someone tried to open an account at $app with $email, but this address has an account. "
    "If it was you, sign in. If you forgot your password, choose a new one.",
    button="Choose a new password",
    footer="If it was not you, you can ignore this mail. Nothing has changed.",
    fields=frozenset({"email"}),
)
ALREADY_A_USER: Final = Template(
    "already_a_user",
    subject="You can already sign in to $app",
    heading="You can already sign in",
    body="Someone tried to sign up at $app with $email, but this address has an account there. If it was you, sign in. "
    "If you forgot your password, ask for a new one where you sign in.",
    footer="If it was not you, you can ignore this mail. Nothing has changed.",
    fields=frozenset({"email"}),
)
PASSWORD_RESET: Final = Template(
    "password_reset",
    subject="Reset your password for $app",
    heading="Reset your password",
    body="Someone asked for a new password for the account of $email. If it was you, choose one now. "
    "The link works once, for $valid_for.",
    button="Choose a new password",
    footer="If you did not ask for this, you can ignore this mail. Your password stays as it is.",
    fields=frozenset({"email", "valid_for"}),
    useful_seconds=HOUR,
)
PASSWORD_CHANGED: Final = Template(
    "password_changed",
    subject="Your password for $app has changed",
    heading="Your password has changed",
    body="The password of your account at $app ($email) was changed.",
    footer=CHECK_ACCOUNT,
    fields=frozenset({"email"}),
    notice=True,
    useful_seconds=DAY,
)
FACTOR_ADDED: Final = Template(
    "factor_added",
    subject="A second factor was added to your account at $app",
    heading="A second factor was added",
    body="You can now use this second factor to sign in to $app: $factor.",
    footer=CHECK_FACTOR,
    fields=frozenset({"factor"}),
    notice=True,
    useful_seconds=DAY,
)
FACTOR_REPLACED: Final = Template(
    "factor_replaced",
    subject="A second factor of your account at $app was replaced",
    heading="A second factor was replaced",
    body="Another device now has this second factor of your account at $app: $factor. The one before no longer works, "
    "and there are new recovery codes.",
    footer=CHECK_FACTOR,
    fields=frozenset({"factor"}),
    notice=True,
    useful_seconds=DAY,
)
FACTOR_REMOVED: Final = Template(
    "factor_removed",
    subject="A second factor was removed from your account at $app",
    heading="A second factor was removed",
    body="This second factor no longer works for your account at $app: $factor.",
    footer=CHECK_ACCOUNT,
    fields=frozenset({"factor"}),
    notice=True,
    useful_seconds=DAY,
)
RECOVERY_CODE_USED: Final = Template(
    "recovery_code_used",
    subject="A recovery code was used to sign in to $app",
    heading="A recovery code was used",
    body="Someone signed in to your account at $app with a recovery code. The number of codes that are left: $left.",
    footer=CHECK_ACCOUNT,
    fields=frozenset({"left"}),
    notice=True,
    useful_seconds=DAY,
)
RECOVERY_CODES_REPLACED: Final = Template(
    "recovery_codes_replaced",
    subject="New recovery codes were made for your account at $app",
    heading="New recovery codes were made",
    body="New recovery codes were made for your account at $app. The old ones no longer work.",
    footer=CHECK_ACCOUNT,
    notice=True,
    useful_seconds=DAY,
)
IDENTITY_LINKED: Final = Template(
    "identity_linked",
    subject="Your account at $app can be opened with $service now",
    heading="A way to sign in was added",
    body="You can now sign in to your account at $app with $service.",
    footer=CHECK_ACCOUNT,
    fields=frozenset({"service"}),
    notice=True,
    useful_seconds=DAY,
)
IDENTITY_REMOVED: Final = Template(
    "identity_removed",
    subject="Your account at $app can no longer be opened with $service",
    heading="A way to sign in was removed",
    body="You can no longer sign in to your account at $app with $service.",
    footer=CHECK_ACCOUNT,
    fields=frozenset({"service"}),
    notice=True,
    useful_seconds=DAY,
)
NEW_SIGN_IN: Final = Template(
    "new_sign_in",
    subject="New sign-in to your account at $app",
    heading="New sign-in to your account",
    body="Someone signed in to your account at $app ($email) from a device that was not used before.\n\n"
    "Time: $at\n\nProgram: $agent\n\nNetwork address: $ip",
    footer="If this was you, you need to do nothing. " + CHECK_ACCOUNT,
    fields=frozenset({"email", "at", "agent", "ip"}),
    notice=True,
    useful_seconds=DAY,
)
WRONG_CODES: Final = Template(
    "wrong_codes",
    subject="Wrong codes were entered for your account at $app",
    heading="Wrong codes were entered",
    body="Someone entered several wrong codes of the authenticator app for your account at $app. Codes are refused for "
    "a while; a recovery code or a passkey still works.",
    footer="If this was not you, somebody may know your password: choose a new one.",
    notice=True,
    useful_seconds=DAY,
)
ACCOUNT_DELETED: Final = Template(
    "account_deleted",
    subject="Your account at $app was deleted",
    heading="Your account was deleted",
    body="The account of $email at $app was deleted, with its sessions and its access tokens.",
    footer="If this was not you, tell the people who run $app at once.",
    fields=frozenset({"email"}),
    notice=True,
    useful_seconds=DAY,
)
ACCOUNT_SUSPENDED: Final = Template(
    "account_suspended",
    subject="Your account at $app was suspended",
    heading="Your account was suspended",
    body="An administrator has suspended the account of $email at $app. Nobody can sign in to it, and all sessions "
    "and access tokens have ended. Your projects stay.",
    footer="Ask the people who run $app for the reason.",
    fields=frozenset({"email"}),
    notice=True,
    useful_seconds=DAY,
)
ACCOUNT_RESUMED: Final = Template(
    "account_resumed",
    subject="Your account at $app is open again",
    heading="Your account is open again",
    body="An administrator has ended the suspension of the account of $email at $app. You can sign in again.",
    fields=frozenset({"email"}),
    notice=True,
    useful_seconds=DAY,
)
ROLE_CHANGED: Final = Template(
    "role_changed",
    subject="Your role at $app has changed",
    heading="Your role has changed",
    body="An administrator has changed the role of the account of $email at $app. The new role: $role.\n\n"
    "All sessions have ended: sign in again.",
    footer="If you did not expect this, ask the people who run $app.",
    fields=frozenset({"email", "role"}),
    notice=True,
    useful_seconds=DAY,
)
INSTALLATION_INVITE: Final = Template(
    "installation_invite",
    subject="You are invited to $app",
    heading="You are invited to $app",
    body="$inviter ($inviter_email) invites you to open an account at $app. The invitation is valid for $valid_for.",
    button="Open an account",
    footer="If you do not know $inviter, you can ignore this mail.",
    fields=frozenset({"inviter", "inviter_email", "valid_for"}),
    useful_seconds=DAY,
)
MEMBER_INVITE: Final = Template(
    "member_invite",
    subject="$inviter invites you to $target",
    heading="You are invited to $target",
    body="$inviter ($inviter_email) invites you to work on the $kind $target at $app. Your role: $role.\n\n"
    "The invitation is valid for $valid_for.",
    button="Accept the invitation",
    footer="If you do not know $inviter, you can ignore this mail.",
    fields=frozenset({"inviter", "inviter_email", "kind", "target", "role", "valid_for"}),
    useful_seconds=DAY,
)
USER_INVITE: Final = Template(
    "user_invite",
    subject="You are invited to $target",
    heading="You are invited to $target",
    body="$inviter invites you. You can open an account at $app with $email. The invitation is valid for $valid_for.",
    button="Accept the invitation",
    footer="If you do not know $app, you can ignore this mail.",
    fields=frozenset({"email", "inviter", "target", "valid_for"}),
    useful_seconds=DAY,
)
SIGN_IN_CODE: Final = Template(
    "sign_in_code",
    subject="Your code for $app",
    heading="Your sign-in code",
    body="Enter this code to sign in to $app. It works once, for $valid_for.",
    footer="Never tell this code to anybody. If you did not ask for it, you can ignore this mail.",
    fields=frozenset({"code", "valid_for"}),
    useful_seconds=10 * MINUTE,
)
SIGN_IN_LINK: Final = Template(
    "sign_in_link",
    subject="Sign in to $app",
    heading="Sign in to $app",
    body="Use this link to sign in. It works once, for $valid_for.",
    button="Sign in",
    footer="If you did not ask for this, you can ignore this mail.",
    fields=frozenset({"valid_for"}),
    useful_seconds=10 * MINUTE,
)

TEMPLATES: Final = {
    template.kind: template
    for template in (
        VERIFY_EMAIL,
        OPEN_ACCOUNT,
        CONFIRM_NEW_EMAIL,
        EMAIL_CHANGE_REQUESTED,
        EMAIL_CHANGED,
        ALREADY_REGISTERED,
        ALREADY_A_USER,
        PASSWORD_RESET,
        PASSWORD_CHANGED,
        FACTOR_ADDED,
        FACTOR_REPLACED,
        FACTOR_REMOVED,
        RECOVERY_CODE_USED,
        RECOVERY_CODES_REPLACED,
        IDENTITY_LINKED,
        IDENTITY_REMOVED,
        NEW_SIGN_IN,
        WRONG_CODES,
        ACCOUNT_DELETED,
        ACCOUNT_SUSPENDED,
        ACCOUNT_RESUMED,
        ROLE_CHANGED,
        INSTALLATION_INVITE,
        MEMBER_INVITE,
        USER_INVITE,
        SIGN_IN_CODE,
        SIGN_IN_LINK,
    )
}
