"""Settings of BunAuth."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec

from bunbase.pkg.oidc.settings import ProviderSettings
from bunbase.pkg.sessions import SessionSettings


class Signups(StrEnum):
    AUTO = "auto"  # This means OPEN in dev mode, and INVITE in production.
    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"

    def on(self, dev: bool) -> Signups:
        """Return the policy of this installation, which is never AUTO."""
        if self is Signups.AUTO:
            return Signups.OPEN if dev else Signups.INVITE
        return self


class VerifySignups(StrEnum):
    AUTO = "auto"
    ON = "on"
    OFF = "off"


class BunAuthSettings(SessionSettings, frozen=True):
    """Settings of accounts and tokens.

    `signups`: the people who may register after the first account. `auto` is `open` in dev mode, and `invite`
    otherwise.
    `verify_signups`: people who register without an invitation must first confirm their email address by mail. The
    response to a registration then does not reveal which addresses have an account. `auto` is `on` in production with
    an SMTP server, and `off` otherwise.
    `members_may_invite`: if `signups` is `invite`, a person whom a member invites to a project or an organisation may
    open an account for the invited address. If `members_may_invite` is false, only invitations by an administrator of
    the installation open accounts. The setting has no effect if `signups` is `open` or `closed`.
    `breached_passwords_file`: the path of the sorted list of SHA-1 hashes that the haveibeenpwned downloader writes.
    BunBase refuses new passwords that are in this list.
    `breached_passwords_url`: the URL of a server with the range API of haveibeenpwned, instead of the file. BunBase
    sends the first five digits of a hash to this server. If the server does not respond within two seconds, BunBase
    accepts the password.
    `providers`: the services with which people sign in, by a short name: [external login](../external-login.md).
    `issuer`: the claim `iss` of tokens; if empty, the public URL.
    `setup_token`: the token that a request for the first account must contain, at least 16 characters. If this setting
    is empty, a production server makes a token at its first start and prints it.
    `signing_key_days`: the number of days for which BunBase signs tokens with one key, before it switches to the next
    key without an interruption.
    `activity_days`: the number of days after which BunBase deletes entries in the activity of accounts.
    `sign_in_notices`: BunBase sends people a mail after a sign-in from a device that their account has never used.
    `service_exchange`: external programs may exchange a secret for a service token (`service.exchange` of `/rpc`).
    `service_client_secrets`: the secret of each external program, by the name of the program. A secret has at least 32
    bytes.
    """

    signups: Signups = Signups.AUTO
    verify_signups: VerifySignups = VerifySignups.AUTO
    members_may_invite: bool = True
    breached_passwords_file: str = ""
    breached_passwords_url: str = ""
    providers: dict[str, ProviderSettings] = msgspec.field(default_factory=dict)
    issuer: str = ""
    setup_token: str = ""
    signing_key_days: Annotated[int, msgspec.Meta(ge=1, le=3660)] = 90
    activity_days: Annotated[int, msgspec.Meta(ge=1, le=3660)] = 90
    sign_in_notices: bool = True
    service_exchange: bool = False
    service_client_secrets: dict[str, str] = msgspec.field(default_factory=dict)

    def verifies_signups(self, dev: bool, has_mail: bool) -> bool:
        """True if people without an invitation must confirm their address before they have an account."""
        if self.verify_signups is VerifySignups.AUTO:
            return has_mail and not dev
        return self.verify_signups is VerifySignups.ON
