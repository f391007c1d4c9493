"""Settings of tenant_auth."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Final

import msgspec

from bunbase.pkg.errors import CannotStart
from bunbase.pkg.sessions import SessionSettings

CAPTCHAS: Final = ("turnstile", "hcaptcha")
HOST: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*")


class TenantAuthSettings(SessionSettings, frozen=True):
    """Settings for all projects.

    `max_users_per_project`: the maximum number of users of a project; BunBase refuses further sign-ups with
    `too_many_users`.
    `provider_hosts`: hosts with private addresses or plain http at which projects may have sign-in providers. All other
    providers of projects must have public addresses and https. Write a name or an IP address, without a port.
    `max_mails_per_hour`: the number of mails that a project may send to its users in an hour; BunBase drops further
    mails. Notices, such as "your password has changed", do not count.
    `captcha_urls`: the URLs that check captchas instead of the URLs of the services, for example the URLs of a proxy.
    The names are `turnstile` and `hcaptcha`. The hosts may have private addresses and plain http.
    `breached_passwords_file`: the path of the sorted list of SHA-1 hashes that the haveibeenpwned downloader writes.
    Projects with `password.breached` refuse new passwords that are in this list.
    `breached_passwords_url`: the URL of a server with the range API of haveibeenpwned, instead of the file. BunBase
    sends the first five digits of a hash to this server. If the server does not respond within two seconds, BunBase
    accepts the password.
    `signing_key_days`: the number of days for which BunBase signs tokens with one key of a project, before it switches
    to the next key without an interruption. A project may choose another number (`tokens.rotation_days`).
    `activity_days`: the number of days after which BunBase deletes entries about sign-ins and credentials of users. A
    project may choose a smaller number (`activity_days`).
    """

    signing_key_days: Annotated[int, msgspec.Meta(ge=1, le=3660)] = 90
    max_users_per_project: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] = 1_000_000
    provider_hosts: tuple[str, ...] = ()
    max_mails_per_hour: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 200
    captcha_urls: dict[str, str] = msgspec.field(default_factory=dict)
    breached_passwords_file: str = ""
    breached_passwords_url: str = ""
    activity_days: Annotated[int, msgspec.Meta(ge=1, le=3660)] = 90


def check_settings(settings: TenantAuthSettings) -> None:
    """Refuse settings that would have no effect. Raises: CannotStart."""
    for host in settings.provider_hosts:
        if not is_host(host):
            raise CannotStart(
                f"tenant_auth.provider_hosts: {host[:80]!r} must be a host name in lower case or an IP address, "
                "without https:// and without a port, such as login.bakery.internal or 10.0.0.5"
            )
    for service in settings.captcha_urls:
        if service not in CAPTCHAS:
            raise CannotStart(
                f"tenant_auth.captcha_urls: {service[:80]!r} is no service; allowed: {', '.join(CAPTCHAS)}"
            )


def is_host(text: str) -> bool:
    """True for a text that `urlsplit(…).hostname` can return."""
    try:
        ip_address(text)
    except ValueError:
        return HOST.fullmatch(text) is not None
    return text == text.lower()
